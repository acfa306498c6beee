import type { Outcome } from '../conjur/retrieve.ts'
import { ConjurError, type AgentError } from '../core/errors.ts'
import { plainPath, type SecretGroup } from '../outputs/secret-group.ts'
import type { Report } from './cycle.ts'

/** Groups as this file looks at them. */
interface Grouped {
  readonly groups: readonly SecretGroup[]
  readonly conjur: { readonly login: string | undefined }
}

/**
 * The outputs that hold a value which Conjur did not confirm in this pass, and why it did not: they
 * are kept as they were (P4).
 */
export function keptOf({
  groups,
  conjur,
}: Grouped): (report: Report) => ReadonlyMap<string, AgentError> {
  const who = conjur.login ?? 'this host'
  return ({ outcomes, memory, published }) => {
    const kept = new Map<string, AgentError>()
    const isKept = new Set(published.flatMap(({ name, state }) => (state === 'kept' ? [name] : [])))
    for (const group of groups) {
      for (const { alias, variableId } of group.entries) {
        const outcome = outcomes.get(variableId)
        if (outcome === undefined || outcome.kind === 'value') continue
        const path = group.format === 'plain' ? plainPath(group, alias) : group.path
        if (kept.has(path)) continue
        const error = errorOf(outcome, { group: group.name, variableId, who })
        if (error !== undefined && (memory.values.has(variableId) || isKept.has(path))) {
          kept.set(path, error)
        }
      }
    }
    return kept
  }
}

/** What the verdict needs to know of a configuration. */
interface Asking {
  readonly groups: readonly {
    readonly name: string
    readonly entries: readonly { readonly variableId: string; readonly required: boolean }[]
  }[]
  readonly conjur: { readonly login: string | undefined }
}

/**
 * What a pass that ran to its end still lacks, with what Conjur said of every required variable
 * that is wanting, all in one error. A sidecar lacks an output that was never written; one that
 * runs once lacks any value it did not get, since a file of an earlier run may be out of date (P5).
 */
export function unmetOf(
  { groups, conjur }: Asking,
  lacks: 'any value' | 'an output' = 'an output',
): (report: Report) => AgentError | undefined {
  return ({ published, outcomes }) => {
    const [broken] = published.flatMap(({ error }) => error ?? [])
    if (broken !== undefined) return broken
    return lacks === 'any value' || published.some(({ state }) => state === 'missing')
      ? unmet(outcomes, { groups, login: conjur.login })
      : undefined
  }
}

function unmet(
  outcomes: ReadonlyMap<string, Outcome>,
  { groups, login }: { groups: Asking['groups']; login: string | undefined },
): AgentError | undefined {
  const who = login ?? 'this host'
  const errors: AgentError[] = []
  for (const { name: group, entries } of groups) {
    for (const { variableId, required } of entries) {
      const outcome = required ? outcomes.get(variableId) : undefined
      const error = outcome && errorOf(outcome, { group, variableId, who })
      if (error !== undefined) errors.push(error)
    }
  }
  const [first, ...others] = errors
  if (!(first instanceof ConjurError) || others.length === 0) return first
  return new ConjurError(first.code, first.message, {
    hint: first.hint,
    retryable: errors.every((error) => error.retryable),
    facts: first.facts,
    lines: others.map((error) => `${error.code}: ${error.message}`),
  })
}

interface Named {
  readonly group: string
  readonly variableId: string
  readonly who: string
}

function errorOf(outcome: Outcome, { group, variableId, who }: Named): AgentError | undefined {
  switch (outcome.kind) {
    case 'value':
      return undefined
    case 'failed':
      return outcome.error
    case 'missing':
      return new ConjurError(
        'CONJUR_NOT_FOUND',
        `variable ${variableId} does not exist, has no value, or ${who} may not see it (404)`,
        {
          hint: `it is named in group ${group}; conjur variable get -i ${variableId} as its owner tells which`,
          facts: { variable: variableId, group, status: 404 },
        },
      )
    case 'forbidden':
      return new ConjurError(
        'CONJUR_FORBIDDEN',
        `${who} may see variable ${variableId} but not read it (403)`,
        {
          hint: `permit it execute on variable ${variableId} in Conjur's policy; it is named in group ${group}`,
          facts: { variable: variableId, group, status: 403 },
        },
      )
    default:
      return outcome satisfies never
  }
}
