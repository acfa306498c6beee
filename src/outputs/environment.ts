import { Secret } from '../core/secret.ts'
import type { Output, Published } from './output.ts'
import type { SecretGroup } from './secret-group.ts'
import { decodeValue } from './group-decision.ts'

export interface EnvironmentOptions {
  readonly groups: readonly SecretGroup[]
  /** Put before every name. */
  readonly prefix: string
  /** `upper`: `db-password` becomes `DB_PASSWORD`. `keep`: the alias as it is. */
  readonly nameCase: 'upper' | 'keep'
}

/** Values as environment variables of a child. */
export interface EnvironmentOutput extends Output {
  /** The variables of the last pass; a name without value is absent. */
  current(): ReadonlyMap<string, Secret>
}

/**
 * Holds the values for a child's environment instead of writing them anywhere. A value that became
 * unknown stays as it was; one that is certainly gone leaves.
 */
export function environmentOutput({
  groups,
  prefix,
  nameCase,
}: EnvironmentOptions): EnvironmentOutput {
  const entries = groups.flatMap((group) => group.entries)
  let last: ReadonlyMap<string, Secret> = new Map()
  return {
    name: 'environment',
    current: () => last,
    async publish({ values, unknown }, signal) {
      signal.throwIfAborted()
      const next = new Map<string, Secret>()
      let wanting = 0
      for (const entry of entries) {
        const name = variableName(entry.alias, { prefix, nameCase })
        const value = values.get(entry.variableId)
        const fallback = entry.default === undefined ? undefined : new Secret(entry.default)
        const known = value === undefined ? undefined : decodeValue(entry, value).value
        const kept = unknown.has(entry.variableId) ? last.get(name) : undefined
        const chosen = known ?? kept ?? fallback
        if (chosen !== undefined) next.set(name, chosen)
        else if (entry.required) wanting++
      }
      if (wanting > 0 && last.size === 0) return [shown('missing', 0)]
      const state = isSame(last, next) ? 'same' : 'written'
      last = next
      return [shown(state, next.size)]
    },
  }
}

/** The environment variable of an alias: letters, digits and underscores, not a digit first. */
function variableName(
  alias: string,
  { prefix, nameCase }: Pick<EnvironmentOptions, 'prefix' | 'nameCase'>,
): string {
  const plain = alias.replaceAll(/[^A-Za-z0-9_]/g, '_')
  const name = prefix + (nameCase === 'upper' ? plain.toUpperCase() : plain)
  return /^\d/.test(name) ? `_${name}` : name
}

function isSame(one: ReadonlyMap<string, Secret>, other: ReadonlyMap<string, Secret>): boolean {
  return (
    one.size === other.size &&
    [...one].every(([name, value]) => other.get(name)?.equals(value) === true)
  )
}

function shown(state: Published['state'], values: number): Published {
  return { name: 'environment', kind: 'environment', values, state }
}
