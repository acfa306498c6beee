import { uptime } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { runtimeOf } from '../core/runtime.ts'

/** Time, as the agent needs it; tests bring their own. */
export interface Clock {
  /** Epoch milliseconds; may jump. */
  now(): number
  /** Milliseconds that never run backwards; they may stand still while the machine sleeps. */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason when that is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** A moment on both time scales. */
export interface Moment {
  readonly now: number
  readonly monotonic: number
}

/** What sleeps relies on one clock for all processes of a boot. */
const hrtimeBeganMs = runtimeOf(process).sharesHrtime
  ? 0
  : uptime() * 1000 - Number(process.hrtime.bigint()) / 1e6

export const systemClock: Clock = {
  now: () => Date.now(),
  // Not `performance.now()`, behind which Node loads its whole tools of measuring.
  monotonic: () => hrtimeBeganMs + Number(process.hrtime.bigint()) / 1e6,
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, { signal })
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    }
  },
}

export function momentOf(clock: Clock): Moment {
  return { now: clock.now(), monotonic: clock.monotonic() }
}

/**
 * Milliseconds since a moment: the larger of the two scales' answers. The monotonic one stands still
 * in a suspended machine, the wall clock can be set back; believing the larger at worst renews early.
 */
export function elapsedSince(moment: Moment, clock: Clock): number {
  return Math.max(clock.monotonic() - moment.monotonic, clock.now() - moment.now)
}
