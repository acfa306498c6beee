import type { IdentityError } from '../core/errors.ts'
import type { Clock } from './source.ts'

/** How long a source goes on asking a platform that is not ready yet, and how it tells. */
export interface Patience {
  readonly clock: Clock
  /** From the first call to its last try, in milliseconds; unless set, what the platform may need after its first boot. */
  readonly budgetMs?: number | undefined
  /** 0 to 1; spreads the waits of machines that start together. */
  readonly random?: () => number
  /** Told before each wait. */
  readonly onRetry?: (reason: IdentityError, waitMs: number) => void
}

/** A row of a vendor's retry table. */
export interface RetryRule {
  /** The waits in turn, in milliseconds; the last one repeats. */
  readonly waitsMs: readonly number[]
  /** How many retries in all; without it, as the budget allows. */
  readonly retries?: number
  /** Goes on at least this long after the first such answer, whatever the budget. */
  readonly atLeastMs?: number
}

/** What one try came to: what was asked for, or why not and by which rule it is tried again, if by any. */
export type Outcome<T> =
  | { readonly value: T }
  | { readonly error: IdentityError; readonly again?: RetryRule }

/** Asks until there is an answer: the state is whether this platform ever gave one. */
export type Persist = <T>(signal: AbortSignal, attempt: () => Promise<Outcome<T>>) => Promise<T>

/** A platform that has given a token before is not booting: the pass has other things to do meanwhile. */
const LATER_MS = 30_000

/**
 * Makes a {@link Persist}: it tries until there is a value, an answer that no waiting cures, or the
 * budget is spent; then it throws the last error. The budget is for a first boot, so after the first
 * value it is half a minute at most. Aborting `signal` ends a wait at once, with the signal's reason.
 */
export function persistence(patience: Patience, firstBootMs: number): Persist {
  let budgetMs = patience.budgetMs ?? firstBootMs
  return async (signal, attempt) => {
    const value = await persist({ ...patience, budgetMs }, signal, attempt)
    budgetMs = Math.min(budgetMs, LATER_MS)
    return value
  }
}

async function persist<T>(
  { clock, budgetMs, random = Math.random, onRetry }: Patience & { readonly budgetMs: number },
  signal: AbortSignal,
  attempt: () => Promise<Outcome<T>>,
): Promise<T> {
  const endsAt = clock.now() + budgetMs
  const history = new Map<RetryRule, { retries: number; readonly since: number }>()
  for (;;) {
    signal.throwIfAborted()
    const outcome = await attempt()
    if ('value' in outcome) return outcome.value
    const { error, again } = outcome
    if (again === undefined) throw error

    const past = history.get(again) ?? { retries: 0, since: clock.now() }
    history.set(again, past)
    if (past.retries === (again.retries ?? Infinity)) throw error

    const base = again.waitsMs[Math.min(past.retries, again.waitsMs.length - 1)] ?? 0
    const wait = Math.max(base * (1 + random() / 4), error.retryAfterMs ?? 0)
    const mayWaitUntil = Math.max(endsAt, past.since + (again.atLeastMs ?? 0))
    if (clock.now() + wait > mayWaitUntil) throw error
    past.retries += 1
    onRetry?.(error, wait)
    await clock.sleep(wait, signal)
  }
}
