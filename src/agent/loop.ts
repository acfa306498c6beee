import type { AgentError } from '../core/errors.ts'
import { elapsedSince, type Clock } from './clock.ts'
import { cycle, type Report, type Stages, type Task } from './cycle.ts'
import { awaitsConfirmation, emptyMemory, type HeldToken, type Memory } from './memory.ts'
import type { Retry } from './once.ts'
import { beforeExpiry, jittered, renewalAgeMs, retryDelayMs, spreadAfter } from './schedule.ts'
import type { Wake } from './wake.ts'

export interface LoopOptions {
  /** What an earlier pass learnt; without it values are read at once. */
  readonly memory?: Memory
  /** The access token that an earlier process left, if that may be used; asked for at the start, where nothing is remembered. It came at `receivedAt` at the latest. */
  readonly handOver?: (receivedAt?: number) => HeldToken | undefined
  /** Undefined: values are read once, until that succeeds. */
  readonly refreshIntervalMs: number | undefined
  readonly retryIntervalMs: number
  /** Renew the access token at least this often. */
  readonly renewAfterMs: number | undefined
  /** 0 to 1, anew at each call. */
  readonly random: () => number
  /** What a pass that ran to its end still lacks, if the application waits for it. */
  readonly unmet: (report: Report) => AgentError | undefined
  /** Told of every pass; `waitMs` is the time until the next try where the pass failed. */
  readonly onPass: (report: Report, next: NextPass) => void
  readonly wake: Wake
}

export interface NextPass {
  /** Set where the pass failed. */
  readonly retry: Retry | undefined
  /** Milliseconds until values are read again; undefined if they are not. */
  readonly valuesInMs: number | undefined
  /** Milliseconds until the access token is renewed. */
  readonly renewalInMs: number | undefined
}

/** A refused second answer, or a refusal to be confirmed, is sought within this time. */
const CONFIRM_MS = 15_000
/** A value that is about to end brings the next pass no nearer than this. */
const SOONEST_REFRESH_MS = 15_000
/** No wait is longer than this, so that a machine that slept finds out. */
const LONGEST_WAIT_MS = 30_000
const RETRY_CAP_MS = 30_000
/** A server that keeps refusing is asked less and less often: only a policy change can help (P9). */
const REFUSED_CAP_MS = 60_000
const REFUSALS: readonly string[] = [
  'CONJUR_UNAUTHENTICATED',
  'CONJUR_FORBIDDEN',
  'CONJUR_NOT_FOUND',
  'CONJUR_REJECTED',
]

/**
 * Passes until the signal is aborted: values at their interval, the access token at three quarters
 * of its life, failures with back-off, everything at once when the bell rings. Never gives up.
 */
export async function loop(
  stages: Stages,
  options: LoopOptions,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = stages
  let memory = options.memory ?? { ...emptyMemory, held: options.handOver?.() }
  // How often values, and tokens, were waited for since the start or the last failure.
  let waits = { values: 0, renewals: 0 }
  const nextValuesAt = (): number | undefined =>
    nextValues(memory, { clock, options, waits: waits.values++ })
  let valuesAt = options.memory === undefined ? clock.monotonic() : nextValuesAt()
  let renewalAgeOf: { held: Memory['held']; ageMs: number } | undefined
  let retry: { at: number; attempt: number; error: AgentError; task: Task } | undefined

  const renewalIn = (): number | undefined => {
    const { held } = memory
    if (held === undefined) return undefined
    if (renewalAgeOf?.held !== held) {
      const { lifetimeMs } = held.token
      const ageMs = renewalAgeMs(lifetimeMs, {
        jitter: options.random(),
        spread: spreadAfter(waits.renewals++),
        foundAtMs: elapsedSince(held.received, clock),
        atMostMs: options.renewAfterMs,
      })
      renewalAgeOf = { held, ageMs }
    }
    return renewalAgeOf.ageMs - elapsedSince(held.received, clock)
  }

  while (!signal.aborted) {
    const now = clock.monotonic()
    const task: Task =
      retry === undefined
        ? { values: (valuesAt ?? Infinity) <= now, renew: (renewalIn() ?? Infinity) <= 0 }
        : retry.task
    const dueIn =
      retry === undefined
        ? Math.min((valuesAt ?? Infinity) - now, renewalIn() ?? Infinity)
        : retry.at - now
    if (dueIn > 0) {
      const rang = await wait(
        stages,
        { ms: Math.min(dueIn, LONGEST_WAIT_MS), wake: options.wake },
        signal,
      )
      if (!rang) continue
    }
    const rung = dueIn > 0
    const doing: Task = rung ? { values: true, renew: (renewalIn() ?? Infinity) <= 0 } : task
    const report = await cycle(stages, { memory, task: doing }, signal)
    memory = report.memory
    const after = clock.monotonic()
    const failure = report.error ?? report.outputErrors[0] ?? options.unmet(report)
    if (failure === undefined) {
      retry = undefined
      if (doing.values) valuesAt = nextValuesAt()
    } else {
      waits = { values: 0, renewals: 0 }
      const attempt = (retry?.attempt ?? 0) + 1
      const waitMs = backOff(failure, { attempt, memory, stages, options })
      // What is left to do: values that were asked for; a token that was not renewed.
      const renewAgain = doing.renew && !report.loggedIn
      const again = { values: doing.values, renew: renewAgain }
      retry = { at: after + waitMs, attempt, error: failure, task: again }
    }
    options.onPass(report, {
      retry: retry === undefined ? undefined : { ...retry, waitMs: retry.at - after },
      valuesInMs: valuesAt === undefined ? undefined : valuesAt - after,
      renewalInMs: renewalIn(),
    })
  }
}

interface Waiting {
  readonly clock: Clock
  readonly options: Intervals
  /** How often values were waited for since the start or the last failure. */
  readonly waits: number
}

/** The monotonic moment at which values are due after a pass that read them; undefined: no more. */
export function nextValues(memory: Memory, { clock, options, waits }: Waiting): number | undefined {
  const now = clock.monotonic()
  const { refreshIntervalMs, random } = options
  const unconfirmed = awaitsConfirmation(memory)
  if (refreshIntervalMs === undefined) return unconfirmed ? now + CONFIRM_MS : undefined
  const interval = beforeExpiry(
    jittered(refreshIntervalMs, { jitter: random(), spread: spreadAfter(waits) }),
    {
      expiries: memory.expiries,
      now: clock.now(),
      atLeastMs: SOONEST_REFRESH_MS,
    },
  )
  return now + (unconfirmed ? Math.min(interval, CONFIRM_MS) : interval)
}

/** The intervals of a loop. */
export type Intervals = Pick<LoopOptions, 'refreshIntervalMs' | 'retryIntervalMs' | 'random'>

interface Failed {
  readonly attempt: number
  readonly memory: Memory
  readonly stages: Stages
  readonly options: Intervals
}

/** How long to wait after a failure. */
export function backOff(failure: AgentError, { attempt, memory, stages, options }: Failed): number {
  const { held } = memory
  const refused = REFUSALS.includes(failure.code)
  return retryDelayMs({
    attempt,
    baseMs: Math.max(options.retryIntervalMs, 100),
    capMs: refused ? REFUSED_CAP_MS : RETRY_CAP_MS,
    jitter: options.random(),
    retryAfterMs: failure.retryAfterMs,
    tokenLeftMs:
      held === undefined
        ? undefined
        : held.token.lifetimeMs - elapsedSince(held.received, stages.clock),
  })
}

/** Waits; true if the bell rang before the time was over. */
async function wait(
  { clock }: Stages,
  { ms, wake }: { ms: number; wake: Wake },
  signal: AbortSignal,
): Promise<boolean> {
  const over = new AbortController()
  const either = AbortSignal.any([signal, over.signal])
  try {
    return await Promise.race([
      clock.sleep(ms, either).then(() => false),
      wake.heard(either).then(() => true),
    ])
  } finally {
    over.abort(new Error('no longer waiting'))
  }
}
