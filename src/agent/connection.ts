import type { AccessToken } from '../conjur/access-token.ts'
import type { Outcome } from '../conjur/retrieve.ts'
import { AgentError, ConjurError } from '../core/errors.ts'
import type { HeldToken } from './memory.ts'
import { hasShownItself, isUsable, logIn, type LoginParts } from './token.ts'

/** What one Conjur is talked to with. */
export interface ConnectionParts extends LoginParts {
  readonly retrieve: (
    token: AccessToken,
    variableIds: readonly string[],
    signal: AbortSignal,
  ) => Promise<ReadonlyMap<string, Outcome>>
  readonly isConjur: (token: AccessToken, signal: AbortSignal) => Promise<boolean>
}

/** Reads variables of one further Conjur; what goes wrong there is said of each of them, and of nothing else. */
export type ReadConnection = (
  variableIds: readonly string[],
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, Outcome>>

/**
 * A Conjur beside the one whose access token is published. Its token stays here, is used while it
 * is fresh, and is never written anywhere.
 */
export function createConnection(parts: ConnectionParts): ReadConnection {
  let held: HeldToken | undefined

  async function renew(signal: AbortSignal): Promise<AccessToken> {
    held = await logIn(parts, signal)
    return held.token
  }

  async function read(
    variableIds: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Outcome>> {
    const known = isUsable(held, parts.clock) ? held.token : undefined
    if (known === undefined) return parts.retrieve(await renew(signal), variableIds, signal)
    try {
      const outcomes = await parts.retrieve(known, variableIds, signal)
      const isProven = await hasShownItself(outcomes, () => parts.isConjur(known, signal))
      return isProven ? outcomes : unproven(outcomes)
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'CONJUR_UNAUTHENTICATED') throw error
      return parts.retrieve(await renew(signal), variableIds, signal)
    }
  }

  return async (variableIds, signal) => {
    try {
      return await read(variableIds, signal)
    } catch (error) {
      if (signal.aborted || !(error instanceof AgentError)) throw error
      return new Map(variableIds.map((id) => [id, { kind: 'failed', error }]))
    }
  }
}

/** Refusals of something that did not show itself to be Conjur are no refusals (P4). */
function unproven(outcomes: ReadonlyMap<string, Outcome>): ReadonlyMap<string, Outcome> {
  const error = new ConjurError(
    'CONJUR_BAD_REPLY',
    'a connection refuses every variable and does not say whose token it was shown',
    {
      hint: 'curl -i on its applianceUrl shows who answers there: a proxy, a portal, or a base path that is missing',
      retryable: true,
    },
  )
  return new Map([...outcomes.keys()].map((id) => [id, { kind: 'failed', error }]))
}
