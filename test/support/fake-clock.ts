/** A clock for tests: time stands still until the test, or a sleeper, moves it. */
export interface FakeClock {
  now(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** Every wait that was begun, in milliseconds. */
  readonly waits: readonly number[]
  /** Moves time on; sleepers whose time has come wake in order. */
  advance(ms: number): Promise<void>
  /** Resolves once somebody sleeps. */
  sleeping(): Promise<void>
}

export const TEST_TIME = Date.parse('2026-01-20T09:05:00Z')

/** Time moves only by `advance`. */
export function fakeClock(startsAt: number = TEST_TIME): FakeClock {
  let now = startsAt
  const waits: number[] = []
  let sleepers: { at: number; wake: () => void }[] = []
  let watchers: (() => void)[] = []
  return {
    now: () => now,
    waits,
    sleep(ms, signal) {
      signal.throwIfAborted()
      waits.push(ms)
      return new Promise((resolve, reject) => {
        const sleeper = { at: now + ms, wake: resolve }
        sleepers.push(sleeper)
        signal.addEventListener(
          'abort',
          () => {
            sleepers = sleepers.filter((other) => other !== sleeper)
            reject(signal.reason)
          },
          { once: true },
        )
        for (const watcher of watchers.splice(0)) watcher()
      })
    },
    async advance(ms) {
      const until = now + ms
      for (;;) {
        const next = sleepers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
        if (next === undefined) break
        now = Math.max(now, next.at)
        sleepers = sleepers.filter((sleeper) => sleeper !== next)
        next.wake()
        await new Promise((resolve) => setImmediate(resolve))
      }
      now = until
    },
    sleeping() {
      if (sleepers.length > 0) return Promise.resolve()
      return new Promise((resolve) => {
        watchers.push(resolve)
      })
    },
  }
}

/** Every sleep ends at once and moves time on by what it asked for. */
export function hastyClock(startsAt: number = TEST_TIME): FakeClock {
  const clock = fakeClock(startsAt)
  return {
    ...clock,
    async sleep(ms, signal) {
      const slept = clock.sleep(ms, signal)
      await clock.advance(ms)
      return slept
    },
  }
}
