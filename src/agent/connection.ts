import type { AccessToken } from '../conjur/access-token.ts'
import type { Outcome } from '../conjur/retrieve.ts'
import { AgentError, ConjurError } from '../core/errors.ts'
import type { Credential, IdentitySource } from '../identity/source.ts'
import { elapsedSince, momentOf, type Clock } from './clock.ts'
import type { HeldToken } from './memory.ts'
import { isFresh } from './schedule.ts'

/** What one Conjur is talked to with. */
export interface ConnectionParts {
  readonly identity: IdentitySource
  readonly authenticate: (credential: Credential, signal: AbortSignal) => Promise<AccessToken>
  readonly retrieve: (
    token: AccessToken,
    variableIds: readonly string[],
    signal: AbortSignal,
  ) => Promise<ReadonlyMap<string, Outcome>>
  readonly isConjur: (token: AccessToken, signal: AbortSignal) => Promise<boolean>
  readonly clock: Clock
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

  async function logIn(signal: AbortSignal): Promise<AccessToken> {
    const credential = await parts.identity.token(signal)
    const received = momentOf(parts.clock)
    const token = await parts.authenticate(credential, signal)
    held = { token, received }
    return token
  }

  async function read(
    variableIds: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Outcome>> {
    const known = held !== undefined && isUsable(held, parts.clock) ? held.token : undefined
    const token = known ?? (await logIn(signal))
    try {
      const outcomes = await parts.retrieve(token, variableIds, signal)
      const proven =
        known === undefined ||
        [...outcomes.values()].some(({ kind }) => kind === 'value') ||
        (await parts.isConjur(token, signal))
      return proven ? outcomes : unproven(outcomes)
    } catch (error) {
      const refused = error instanceof AgentError && error.code === 'CONJUR_UNAUTHENTICATED'
      if (known === undefined || !refused) throw error
      return parts.retrieve(await logIn(signal), variableIds, signal)
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

function isUsable({ token, received }: HeldToken, clock: Clock): boolean {
  return isFresh({ lifetimeMs: token.lifetimeMs, ageMs: elapsedSince(received, clock) })
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
