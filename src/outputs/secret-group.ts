import { aliasProblem, type ListFormat } from './formats.ts'
import { pathClashes, pathProblem } from './relative-path.ts'

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

/** Everything that makes a group impossible, whatever its values; empty if nothing does. */
export function checkGroup(group: SecretGroup): string[] {
  const { entries, format, template } = group
  const problems: string[] = []
  if (format === 'template' && template === undefined) {
    problems.push('format template without a template')
  }
  if (format !== 'template' && template !== undefined) {
    problems.push(`a template, but format ${format}`)
  }
  for (const path of new Set(groupPaths(group))) {
    const problem = pathProblem(path)
    if (problem !== undefined) problems.push(`file path ${JSON.stringify(path)} ${problem}`)
  }
  const seen = new Set<string>()
  for (const { alias } of entries) {
    if (seen.has(alias)) problems.push(`alias ${JSON.stringify(alias)} stands twice`)
    seen.add(alias)
    if (format === 'template' || format === 'plain') continue
    const problem = aliasProblem(format, alias)
    if (problem !== undefined) problems.push(`alias ${JSON.stringify(alias)} ${problem}`)
  }
  return problems
}

/** The same for all groups of a volume, with the group named, and files that collide between groups. */
export function checkGroups(groups: readonly SecretGroup[]): string[] {
  const owners = new Map<string, string>()
  const paths: string[] = []
  const problems = groups.flatMap((group) =>
    checkGroup(group).map((problem) => `group ${group.name}: ${problem}`),
  )
  for (const group of groups) {
    for (const path of new Set(groupPaths(group))) {
      paths.push(path)
      owners.set(path, owners.has(path) ? `${owners.get(path)} and ${group.name}` : group.name)
    }
  }
  for (const [outer, inner] of pathClashes(paths)) {
    problems.push(
      outer === inner
        ? `groups ${owners.get(outer)} share the file path ${JSON.stringify(outer)}`
        : `group ${owners.get(outer)}: file path ${JSON.stringify(outer)} is a directory for group ${owners.get(inner)} (${JSON.stringify(inner)})`,
    )
  }
  return problems
}
