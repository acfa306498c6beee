import type { Clock } from '../../../src/agent/clock.ts'

/** Time that moves only when everybody waits: to whatever is due next. */
export interface VirtualTime extends Clock {
  /** Does everything that is due until then, in order. */
  run(until: number): Promise<void>
}

interface Sleeper {
  readonly at: number
  /** Who came first goes first at the same moment. */
  readonly order: number
  wake: (() => void) | undefined
}

/** A clock at 0 for thousands of sleepers. */
export function virtualTime(): VirtualTime {
  const heap: Sleeper[] = []
  let now = 0
  let order = 0
  return {
    now: () => now,
    monotonic: () => now,
    sleep(ms, signal) {
      signal.throwIfAborted()
      return new Promise((resolve, reject) => {
        // Whole milliseconds, as timers have them: a rest of a wait too small to add would never pass.
        const at = Math.ceil(now + Math.max(0, ms))
        const sleeper: Sleeper = { at, order: order++, wake: undefined }
        const onAbort = (): void => {
          sleeper.wake = undefined
          reject(signal.reason)
        }
        sleeper.wake = () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        }
        signal.addEventListener('abort', onAbort, { once: true })
        push(heap, sleeper)
      })
    },
    async run(until) {
      await settled()
      for (let next = heap[0]; next !== undefined && next.at <= until; next = heap[0]) {
        pop(heap)
        if (next.wake === undefined) continue
        now = next.at
        next.wake()
        await settled()
      }
      now = until
    },
  }
}

/** Resolves when nothing is left to do but to wait. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function isBefore(one: Sleeper, other: Sleeper): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}

function push(heap: Sleeper[], sleeper: Sleeper): void {
  let at = heap.length
  heap.push(sleeper)
  while (at > 0) {
    const parent = (at - 1) >> 1
    const above = heap[parent]
    if (above === undefined || !isBefore(sleeper, above)) break
    heap[at] = above
    at = parent
  }
  heap[at] = sleeper
}

function pop(heap: Sleeper[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    const [left, right] = [heap[child], heap[child + 1]]
    if (left === undefined) break
    let least = left
    if (right !== undefined && isBefore(right, left)) {
      least = right
      child++
    }
    if (!isBefore(least, last)) break
    heap[at] = least
    at = child
  }
  heap[at] = last
}

/** Numbers from 0 to 1 that come out the same each time. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
