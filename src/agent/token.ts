import type { AccessToken } from '../conjur/access-token.ts'
import type { Outcome } from '../conjur/retrieve.ts'
import type { Credential, IdentitySource } from '../identity/source.ts'
import { elapsedSince, momentOf, type Clock } from './clock.ts'
import type { HeldToken } from './memory.ts'
import { isFresh } from './schedule.ts'

/** What a login at one Conjur takes. */
export interface LoginParts {
  readonly identity: IdentitySource
  readonly authenticate: (credential: Credential, signal: AbortSignal) => Promise<AccessToken>
  readonly clock: Clock
}

/** A new access token. The platform's credential is asked for afresh. */
export async function logIn(parts: LoginParts, signal: AbortSignal): Promise<HeldToken> {
  const credential = await parts.identity.token(signal)
  // The life is counted from before the request: the server issued the token no earlier.
  const received = momentOf(parts.clock)
  return { token: await parts.authenticate(credential, signal), received }
}

/** Whether there is a token that may still be presented. */
export function isUsable(held: HeldToken | undefined, clock: Clock): held is HeldToken {
  if (held === undefined) return false
  const ageMs = elapsedSince(held.received, clock)
  return isFresh({ lifetimeMs: held.token.lifetimeMs, ageMs })
}

/**
 * Whether refusals among these outcomes count (P4): the same server must also say what only Conjur
 * says, a value, or whose token this is, which `isConjur` asks where nothing else has shown it.
 */
export async function hasShownItself(
  outcomes: ReadonlyMap<string, Outcome>,
  isConjur: () => Promise<boolean>,
): Promise<boolean> {
  const kinds = new Set([...outcomes.values()].map((outcome) => outcome.kind))
  if (kinds.has('value') || !(kinds.has('missing') || kinds.has('forbidden'))) return true
  return isConjur()
}
