import { setTimeout as delay } from 'node:timers/promises'

/** A step of the demo that did not come true. The message says which, and what was waited for. */
export class StepFailed extends Error {
  /** The word that stands in front of the line, such as `publish`. */
  readonly step: string

  constructor(step: string, message: string) {
    super(message)
    this.name = 'StepFailed'
    this.step = step
  }
}

/** What is waited for, and how long. */
export interface Expected<T> {
  readonly step: string
  /** The end of a sentence that begins with what was seen instead: `db.json did not change`. */
  readonly otherwise: string
  readonly withinMs: number
  readonly signal: AbortSignal
  /** The thing itself; undefined while it is not there. */
  readonly look: () => T | undefined | Promise<T | undefined>
}

const PAUSE_MS = 20

/** Looks until the thing is there. Rejects with {@link StepFailed} when its time is over, with the signal's reason when that is aborted. */
export async function until<T>(expected: Expected<T>): Promise<T> {
  const { step, otherwise, withinMs, signal, look } = expected
  const end = performance.now() + withinMs
  for (;;) {
    const found = await look()
    signal.throwIfAborted()
    if (found !== undefined) return found
    if (performance.now() > end) {
      throw new StepFailed(step, `${otherwise} within ${withinMs / 1000} s`)
    }
    await pause(PAUSE_MS, signal)
  }
}

/** Waits; rejects with the signal's reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(Math.max(0, ms), undefined, { signal }).catch(() => signal.throwIfAborted())
}
