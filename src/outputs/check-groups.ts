import { aliasProblem } from './formats.ts'
import { checkTemplate } from './group-template.ts'
import { pathClashes, pathProblem } from './relative-path.ts'
import { groupPaths, type SecretGroup } from './secret-group.ts'

/**
 * Everything that makes a group impossible, whatever its values; empty if nothing does.
 *
 * A template is read and rendered once with `REDACTED` for every secret; nothing else is done
 * outside the arguments.
 */
export function checkGroup(group: SecretGroup): string[] {
  const { entries, format, template } = group
  const problems: string[] = []
  if (format === 'template' && template === undefined) {
    problems.push('format template without a template')
  }
  if (format !== 'template' && template !== undefined) {
    problems.push(`a template, but format ${format}`)
  }
  if (format === 'template' && template !== undefined) problems.push(...checkTemplate(group))
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
