import { elapsedSince, type Clock } from './clock.ts'
import { cycle, type Stages, type Task } from './cycle.ts'
import { backOff, nextValues, type LoopOptions } from './loop.ts'
import {
  awaitsConfirmation,
  DECISIVE_REFUSALS,
  emptyMemory,
  type HeldToken,
  type Memory,
} from './memory.ts'
import { isFresh, renewalAgeMs, spreadAfter } from './schedule.ts'
import { afterSleep, fingerprint, type Waking } from './waking.ts'

/** How long to sleep, and what to say at the next waking. */
export interface Sleep {
  readonly seconds: number
  readonly waking: Waking
}

export interface AwakeOptions extends Omit<LoopOptions, 'memory' | 'wake'> {
  /** What the last waking left; undefined: this is the first. */
  readonly waking: Waking | undefined
  /** The variables that may have been refused before. */
  readonly variableIds: readonly string[]
  /** Whether somebody asked for another pass meanwhile. */
  readonly isRung: () => boolean
}

/** A timer that is this early is not: the shell counts in seconds. */
const EARLY_MS = 1000

/**
 * The passes of one waking: one, and where a refusal awaits its second answer (P4) that one too, since
 * nobody remembers the first over a sleep. A token that cannot be written is kept here, and tried
 * again, while it is fresh: else each try would be a login (P9). What the agent knows it reads afresh
 * or finds on the volume.
 */
export async function awake(
  stages: Stages,
  { waking: told, ...others }: AwakeOptions,
  signal: AbortSignal,
): Promise<Sleep> {
  const { clock } = stages
  const zeroAt = clock.now() - clock.monotonic()
  const waking = told && afterSleep(told, zeroAt)
  const options = { ...others, waking }
  const startedAt = waking?.startedAt ?? clock.now()
  let memory: Memory = {
    ...emptyMemory,
    held: options.handOver?.(waking?.receivedAt),
    refusals: refusalsOf(options),
  }
  let task = taskOf({ stages, options })
  let { checkedAt, valuesAt, renewAt, calm, attempt } = waking ?? nothingYet
  for (;;) {
    const report = await cycle(stages, { memory, task }, signal)
    memory = report.memory
    const failure = report.error ?? report.outputErrors[0] ?? options.unmet(report)
    const isWhole = report.error === undefined && report.outputErrors.length === 0
    // The wall clock as it was at the start: nobody sets this one.
    const now = zeroAt + clock.monotonic()
    if (task.values) {
      const dueAt = nextValues(memory, { clock, options, waits: calm })
      valuesAt = dueAt === undefined ? undefined : now + dueAt - clock.monotonic()
      if (failure === undefined) checkedAt = now
    }
    if (report.loggedIn || renewAt === undefined) {
      renewAt = renewalAt(memory.held, { stages, options, calm, now })
    }
    calm = failure === undefined ? calm + 1 : 0
    attempt = failure === undefined ? 0 : attempt + 1
    const waitMs =
      failure === undefined ? 0 : backOff(failure, { attempt, memory, stages, options })
    const renewalInMs = renewAt === undefined ? undefined : Math.max(0, renewAt - now)
    const valuesInMs = valuesAt === undefined ? undefined : Math.max(0, valuesAt - now)
    const retry = failure === undefined ? undefined : { error: failure, attempt, waitMs }
    const isOpen = isWhole && task.values && awaitsConfirmation(memory)
    options.onPass(report, { retry: isOpen ? undefined : retry, valuesInMs, renewalInMs })
    if (isOpen || (report.isTokenUnwritten === true && isFreshIn(waitMs, memory.held, clock))) {
      await clock.sleep(isOpen ? (valuesInMs ?? 0) : waitMs, signal)
      task = { values: true, renew: false }
      continue
    }
    const dueInMs = retry?.waitMs ?? Math.min(valuesInMs ?? Infinity, renewalInMs ?? Infinity)
    const isRung = options.isRung()
    if (isRung) valuesAt = 0
    const refused = refusedIn(memory)
    const receivedAt = memory.held && now - elapsedSince(memory.held.received, clock)
    const instants = { startedAt, checkedAt, valuesAt, renewAt, zeroAt, receivedAt }
    return {
      seconds: isRung ? 0 : secondsOf(dueInMs),
      waking: { ...instants, attempt, calm, refused },
    }
  }
}

const nothingYet = {
  checkedAt: undefined,
  valuesAt: undefined,
  renewAt: undefined,
  calm: 0,
  attempt: 0,
} as const

/** Whether there is a token that may still be presented after a wait. */
function isFreshIn(ms: number, held: HeldToken | undefined, clock: Clock): boolean {
  if (held === undefined) return false
  const { token, received } = held
  return isFresh({ lifetimeMs: token.lifetimeMs, ageMs: elapsedSince(received, clock) + ms })
}

/** At least one, so that whatever fails at once does not do so without a pause. */
function secondsOf(ms: number): number {
  const LONGEST_S = 86_400
  return Math.max(1, Math.min(LONGEST_S, Math.floor(ms / 1000)))
}

interface Deciding {
  readonly stages: Stages
  readonly options: AwakeOptions
}

/**
 * What a waking is for. The values, unless it is the token's turn alone; a new token when its turn
 * has come, and also when it would come before half the time to the next values has passed: an engine
 * that starts costs more than a login.
 */
function taskOf({ stages, options }: Deciding): Task {
  const { waking, refreshIntervalMs } = options
  if (waking === undefined) return { values: true, renew: false }
  const { valuesAt, renewAt = Infinity, attempt } = waking
  const now = stages.clock.now()
  const isRenewalDue = renewAt - now <= EARLY_MS
  const untilMs = valuesAt === undefined ? Infinity : valuesAt - now
  // A clock that was set back would put them off.
  const isDue = untilMs <= EARLY_MS || untilMs > (refreshIntervalMs ?? Infinity)
  const values = isDue || attempt > 0 || !isRenewalDue
  const isSoon = renewAt - now < (refreshIntervalMs ?? 0) / 2
  return { values, renew: isRenewalDue || (values && isSoon) }
}

/** The epoch milliseconds at which a token is to be renewed. */
function renewalAt(
  held: HeldToken | undefined,
  { stages, options, calm, now }: Deciding & { readonly calm: number; readonly now: number },
): number | undefined {
  if (held === undefined) return undefined
  const { clock } = stages
  const ageMs = renewalAgeMs(held.token.lifetimeMs, {
    jitter: options.random(),
    spread: spreadAfter(calm),
    foundAtMs: elapsedSince(held.received, clock),
    atMostMs: options.renewAfterMs,
  })
  return now + ageMs - elapsedSince(held.received, clock)
}

/** What was refused for certain is refused for certain still, until Conjur says otherwise. */
function refusalsOf({ waking, variableIds }: AwakeOptions): Memory['refusals'] {
  const refused = waking?.refused
  if (refused === undefined || refused.size === 0) return emptyMemory.refusals
  const known = variableIds.filter((id) => refused.has(fingerprint(id)))
  return new Map(known.map((id) => [id, DECISIVE_REFUSALS]))
}

function refusedIn({ refusals }: Memory): ReadonlySet<number> {
  const decided = [...refusals].filter(([, count]) => count >= DECISIVE_REFUSALS)
  return new Set(decided.map(([id]) => fingerprint(id)))
}
