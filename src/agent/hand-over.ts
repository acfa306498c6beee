import { readAccessToken } from '../conjur/access-token.ts'
import type { FoundToken } from '../outputs/token-found.ts'
import type { Clock } from './clock.ts'
import type { HeldToken } from './memory.ts'
import { isUsable } from './token.ts'

/** What becomes of a token that an earlier process left. */
export type HandOver =
  /** It lives; one that is no longer fresh is replaced first, and shows until when applications have one (P3). */
  | { readonly held: HeldToken; readonly ageMs: number; readonly isFresh: boolean }
  /** `isOld`: in good order, and its time is over. */
  | { readonly why: string; readonly isOld: boolean }

interface Known {
  readonly login: string | undefined
  readonly clock: Clock
  /** The last waking's word for when it came. */
  readonly receivedAt?: number | undefined
}

/** A server's clock may be ahead of ours by so much. */
const SKEW_MS = 5000

/**
 * Takes over the access token that the init container, or this container before it started anew,
 * left on the volume: a pod logs in once. It must be Conjur's token of the same login and fresh. Its
 * age is the largest of what it says itself, what its file says and what the last waking said.
 */
export function takeOver(found: FoundToken, { login, clock, receivedAt }: Known): HandOver {
  if ('why' in found) return { why: found.why, isOld: false }
  const read = readAccessToken(found.text.text())
  if (read === undefined) return { why: 'it holds no access token', isOld: false }
  const { token, issuedAt } = read
  if (login !== undefined && token.login !== login) {
    return { why: `it is of ${printable(token.login)}, not of ${login}`, isOld: false }
  }
  const now = clock.now()
  if (issuedAt - now > SKEW_MS) return { why: 'it was issued in the future', isOld: false }
  const ageMs = Math.max(0, now - issuedAt, now - found.writtenAt, now - (receivedAt ?? now))
  const received = { now: now - ageMs, monotonic: clock.monotonic() - ageMs }
  const held = { token, received, isUntested: true }
  if (ageMs >= token.lifetimeMs) return { why: 'it is expired', isOld: true }
  return { held, ageMs, isFresh: isUsable(held, clock) }
}

/** A login as it may stand in a line of a log, whoever wrote it. */
function printable(login: string): string {
  return JSON.stringify(login.slice(0, 200))
}
