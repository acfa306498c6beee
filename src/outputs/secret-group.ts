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
  /** Instead of a list: every variable under a policy path that the host can see, by its whole path. */
  readonly fetchAll?: { readonly contentType: 'text' | 'base64'; readonly policyPath: string }
  /** Relative to the secrets directory; of a `plain` group its directory, empty for the volume itself. */
  readonly path: string
  readonly format: ListFormat | 'template' | 'plain'
  /** Permission bits. */
  readonly mode: number
  /** For the format `template`; a file is read afresh in every pass. */
  readonly template?: { readonly text: string } | { readonly file: string }
}

/** A group with its entries as a pass knows them; undefined where it asks for all and these are not known. */
export function withEntries(
  group: SecretGroup,
  listed: readonly string[] | undefined,
): SecretGroup | undefined {
  if (group.fetchAll === undefined) return group
  const { contentType, policyPath } = group.fetchAll
  const prefix = policyPath === '' ? '' : `${policyPath}/`
  const entries = listed
    ?.filter((variableId) => variableId.startsWith(prefix))
    .toSorted((one, other) => (one < other ? -1 : 1))
    .map((variableId) => ({ alias: variableId, variableId, contentType, required: false }))
  return entries && { ...group, entries }
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
