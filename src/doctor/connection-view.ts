import type { PartialConfig } from '../config/load.ts'
import { UsageError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'

/**
 * A configuration as one of its connections sees it: that connection's Conjur and identity, and
 * only the groups whose values come from there. Without a name: the one at the top of the file.
 * Throws a UsageError for a name that there is not.
 */
export function viewOf<Config extends Pick<PartialConfig, 'connections' | 'groups' | 'identity'>>(
  config: Config,
  name: string | undefined,
): Config {
  const groups = config.groups.filter(({ connection }) => connection === name)
  if (name === undefined) return { ...config, groups }
  const found = config.connections.find((connection) => connection.name === name)
  if (found === undefined) throw unknown(name, config.connections)
  const { conjur, identity } = found
  // In a group of a named connection each id begins with that name.
  const bare = groups.map((group) => ({
    ...group,
    entries: group.entries.map((entry) => ({
      ...entry,
      variableId: entry.variableId.slice(name.length + 1),
    })),
  }))
  return { ...config, conjur, identity, groups: bare }
}

function unknown(name: string, connections: PartialConfig['connections']): UsageError {
  const names = connections.map((connection) => connection.name)
  const guess = nearest(name, names)
  return new UsageError('USAGE', `there is no connection ${name}`, {
    hint:
      guess === undefined
        ? `connections of this configuration: ${names.join(', ') || 'none'}`
        : `did you mean --connection ${guess}?`,
  })
}
