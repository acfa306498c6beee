import type { Outcome } from '../conjur/retrieve.ts'
import { ConjurError } from '../core/errors.ts'
import type { ConnectionParts } from './connection.ts'

type Reading = Pick<ConnectionParts, 'retrieve' | 'isConjur'>

/**
 * Reading where several servers may answer, kept to what one of them said (P4): if another took
 * over meanwhile, a refusal came from a server that has not shown in this pass that it is Conjur, and
 * may lag behind the one that was left. It then proves nothing; the next pass asks again.
 */
export function byOneServer(reading: Reading, switches: () => number): Reading {
  return {
    async retrieve(token, variableIds, signal) {
      const before = switches()
      const outcomes = await reading.retrieve(token, variableIds, signal)
      return switches() === before ? outcomes : unproven(outcomes)
    },
    async isConjur(token, signal) {
      const before = switches()
      return (await reading.isConjur(token, signal)) && switches() === before
    },
  }
}

function unproven(outcomes: ReadonlyMap<string, Outcome>): ReadonlyMap<string, Outcome> {
  return new Map([...outcomes].map(([id, outcome]) => [id, heard(id, outcome)]))
}

function heard(id: string, outcome: Outcome): Outcome {
  if (outcome.kind === 'value' || outcome.kind === 'failed') return outcome
  const error = new ConjurError(
    'CONJUR_UNAVAILABLE',
    `variable ${id} is refused by a server that took over in the middle of the pass`,
    {
      hint: 'the next pass asks again; conjur-agent doctor tries each address of CONJUR_APPLIANCE_URL',
      retryable: true,
      facts: { variable: id },
    },
  )
  return { kind: 'failed', error }
}
