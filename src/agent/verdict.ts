import type { Outcome } from '../conjur/retrieve.ts'
import { ConjurError, type AgentError } from '../core/errors.ts'
import type { Report } from './cycle.ts'

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
  const asked = groups.flatMap(({ name, entries }) =>
    entries.map((entry) => ({ ...entry, group: name })),
  )
  return ({ published, outcomes }) => {
    const [broken] = published.flatMap(({ error }) => error ?? [])
    if (broken !== undefined) return broken
    return lacks === 'any value' || published.some(({ state }) => state === 'missing')
      ? unmet(outcomes, { asked, login: conjur.login })
      : undefined
  }
}

interface Asked {
  readonly group: string
  readonly variableId: string
  readonly required: boolean
}

function unmet(
  outcomes: ReadonlyMap<string, Outcome>,
  { asked, login }: { asked: readonly Asked[]; login: string | undefined },
): AgentError | undefined {
  const who = login ?? 'this host'
  const errors = asked.flatMap(({ group, variableId, required }) => {
    const outcome = outcomes.get(variableId)
    if (!required || outcome === undefined) return []
    return errorOf(outcome, { group, variableId, who }) ?? []
  })
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
