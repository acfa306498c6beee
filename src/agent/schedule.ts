/** How long a token lives from its receipt, and how much of that has passed, in milliseconds. */
export interface Life {
  readonly lifetimeMs: number
  readonly ageMs: number
}

/** An access token is used while at least this share of its life is left. */
const FRESH_SHARE = 0.25

/** Whether a token may still be presented. */
export function isFresh({ lifetimeMs, ageMs }: Life): boolean {
  return lifetimeMs - ageMs >= lifetimeMs * FRESH_SHARE
}

/**
 * How far chance may shorten a wait. Agents that one rollout started, or that one outage held up, are
 * parted `wide`ly by their first waits; from then on `narrow` ones keep them apart (P9).
 */
export type Spread = 'wide' | 'narrow'

/** So many waits after a start or a failure are wide. After five nothing is left of the common beginning. */
const WIDE_WAITS = 5

/** The spread of a wait, by how many of its kind went well since the start or the last failure. */
export function spreadAfter(waits: number): Spread {
  return waits < WIDE_WAITS ? 'wide' : 'narrow'
}

/**
 * The age at which an access token is renewed.
 *
 * Three quarters of its life, less jitter (0 to 1) of up to a fifteenth of that, or up to two thirds
 * where agents are to part, so that pods started by one rollout do not come back to Conjur in the
 * same second. Of a token that was found at some age only the rest of that time is shortened: else
 * whoever finds old ones would renew them all at once. `atMostMs` is an administrator's shorter wish.
 */
export function renewalAgeMs(
  lifetimeMs: number,
  { jitter, spread, foundAtMs = 0, atMostMs }: RenewalFacts,
): number {
  const latest = lifetimeMs * (1 - FRESH_SHARE)
  const share = spread === 'wide' ? 2 / 3 : 1 / 15
  const age = latest - (latest - foundAtMs) * share * jitter
  return atMostMs === undefined ? age : Math.min(age, atMostMs)
}

interface RenewalFacts {
  readonly jitter: number
  readonly spread: Spread
  /** The age that the token had when it came into our hands. */
  readonly foundAtMs?: number
  readonly atMostMs: number | undefined
}

/** An interval less jitter (0 to 1) of up to five per cent, or up to three quarters where agents are to part. */
export function jittered(
  intervalMs: number,
  { jitter, spread }: { jitter: number; spread: Spread },
): number {
  return intervalMs * (1 - (spread === 'wide' ? 0.75 : 0.05) * jitter)
}

/** The share of what is left of a value's life that passes before it is read again. */
const EXPIRY_SHARE = 0.75

/**
 * The wait until values are read again, where some of them end before the interval is over: three
 * quarters of the time that the first has left, so that a pass comes before its end and, should
 * the successor come late, another one nearer to it. Never below `atLeastMs`; what has ended no
 * longer counts.
 */
export function beforeExpiry(
  intervalMs: number,
  { expiries, now, atLeastMs }: { expiries: readonly number[]; now: number; atLeastMs: number },
): number {
  const left = expiries.map((at) => at - now).filter((ms) => ms > 0)
  const hurried = Math.max(atLeastMs, Math.min(...left) * EXPIRY_SHARE)
  return Math.min(intervalMs, hurried)
}

export interface RetryFacts {
  /** 1 for the first failure in a row. */
  readonly attempt: number
  /** The first wait. */
  readonly baseMs: number
  /** No wait is longer, but for one that the server asks for. */
  readonly capMs: number
  /** 0 to 1. */
  readonly jitter: number
  /** What the server asked for. */
  readonly retryAfterMs: number | undefined
  /** What is left of the access token that the application holds; undefined or 0 if none. */
  readonly tokenLeftMs: number | undefined
}

/** The shortest wait between two tries for a token that is about to end. */
const HURRY_MS = 500
/** Who asks for a longer silence than this is mistaken, and would keep a pod from starting. */
const LONGEST_RETRY_AFTER_MS = 300_000

/**
 * How long to wait before trying again: doubling from the base to the cap, half of it left to
 * chance. While the application's token still lives, never more than a third of what is left of it,
 * so that an outage shorter than that stays invisible (P3). A server's Retry-After is honoured, for
 * five minutes at most and not beyond the last fifth of that token's life.
 */
export function retryDelayMs(facts: RetryFacts): number {
  const { attempt, baseMs, capMs, jitter, retryAfterMs, tokenLeftMs } = facts
  const doubled = Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, 30))
  const spread = doubled * (1 - 0.5 * jitter)
  const asked = Math.min(retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS)
  if (tokenLeftMs === undefined || tokenLeftMs <= 0) return Math.max(spread, asked)
  const hurried = Math.min(spread, Math.max(HURRY_MS, tokenLeftMs / 3))
  return Math.max(hurried, Math.min(asked, tokenLeftMs * 0.8))
}
