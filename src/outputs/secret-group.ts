import type { ListFormat } from './formats.ts'

/** One variable of a secret group, under the name that the application knows it by. */
export interface Entry {
  readonly alias: string
  readonly variableId: string
  /** `base64`: the value is base64 text, and its bytes are what the application gets. */
  readonly contentType: 'text' | 'base64'
  /** Whether the group may be published for the first time without it. */
  readonly required: boolean
  /** Stands in where Conjur has no value; text as it is, whatever the content type. */
  readonly default?: string
}

/** Variables that become one file; with the format `plain`, one file each. */
export interface SecretGroup {
  readonly name: string
  readonly entries: readonly Entry[]
  /** Relative to the secrets directory; of a `plain` group its directory, empty for the volume itself. */
  readonly path: string
  readonly format: ListFormat | 'template' | 'plain'
  /** Permission bits. */
  readonly mode: number
  /** For the format `template`; a file is read afresh in every pass. */
  readonly template?: { readonly text: string } | { readonly file: string }
}

/** The files of a group, one for each entry where it is `plain`. */
export function groupPaths(group: SecretGroup): string[] {
  return group.format === 'plain'
    ? group.entries.map(({ alias }) => plainPath(group, alias))
    : [group.path]
}

/** The file of one entry of a `plain` group. */
export function plainPath(group: SecretGroup, alias: string): string {
  return group.path === '' ? alias : `${group.path}/${alias}`
}
