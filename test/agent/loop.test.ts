import { expect, test } from 'vitest'
import type { Report } from '../../src/agent/cycle.ts'
import { loop, type LoopOptions, type NextPass } from '../../src/agent/loop.ts'
import { createWake } from '../../src/agent/wake.ts'
import { ConjurError, OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { fakeClock, type FakeClock } from '../support/fake-clock.ts'
import { fakeStages, unavailable, type FakeStages } from '../support/fake-stages.ts'

interface Running {
  readonly clock: FakeClock
  readonly stages: FakeStages
  readonly passes: { readonly at: number; readonly report: Report; readonly next: NextPass }[]
  readonly wake: LoopOptions['wake']
  readonly stop: () => Promise<void>
  readonly advance: (ms: number) => Promise<void>
}

/** A loop over fakes, at second 0 and waiting. */
async function running(
  options: Partial<LoopOptions> = {},
  prepare: (stages: FakeStages) => void = () => undefined,
): Promise<Running> {
  const clock = fakeClock(0)
  const stages = fakeStages(clock, { a: '1' })
  prepare(stages)
  const passes: Running['passes'] = []
  const wake = createWake()
  const end = new AbortController()
  const done = loop(
    stages,
    {
      refreshIntervalMs: 300_000,
      retryIntervalMs: 1000,
      renewAfterMs: undefined,
      random: () => 0,
      unmet: () => undefined,
      onPass: (report, next) => passes.push({ at: clock.now(), report, next }),
      wake,
      ...options,
    },
    end.signal,
  ).catch((error: unknown) => {
    if (!end.signal.aborted) throw error
  })
  await clock.sleeping()
  return {
    clock,
    stages,
    passes,
    wake,
    async stop() {
      end.abort(new Error('asked to end'))
      await done
    },
    async advance(ms) {
      // In small steps: each sleep of the loop begins when the one before has ended.
      for (let moved = 0; moved < ms; moved += 250) {
        await clock.advance(250)
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
}

function times(
  passes: Running['passes'],
  which: (report: Report) => boolean = () => true,
): number[] {
  return passes.filter(({ report }) => which(report)).map(({ at }) => Math.round(at / 1000))
}

test('values are read at their interval, the token renewed at three quarters of its life', async () => {
  const { passes, advance, stop } = await running()

  await advance(1_000_000)
  await stop()

  expect(times(passes, ({ outcomes }) => outcomes.size > 0)).toEqual([0, 300, 600, 900])
  expect(times(passes, ({ loggedIn }) => loggedIn)).toEqual([0, 360, 720])
})

test('with refreshing off values are read once and the token goes on being renewed', async () => {
  const { passes, advance, stop } = await running({ refreshIntervalMs: undefined })

  await advance(800_000)
  await stop()

  expect(times(passes, ({ outcomes }) => outcomes.size > 0)).toEqual([0])
  expect(times(passes, ({ loggedIn }) => loggedIn)).toEqual([0, 360, 720])
})

test('P3 an outage shorter than the remaining life of the token is invisible', async () => {
  const { passes, stages, advance, stop } = await running(
    { refreshIntervalMs: undefined },
    (fake) => {
      fake.lifetimeMs = 20_000
    },
  )
  await advance(14_000)
  stages.faults.login.push(unavailable(), unavailable())

  await advance(6000)
  await stop()

  const logins = times(passes, ({ loggedIn }) => loggedIn)
  expect(logins).toEqual([0, 17])
})

test('P3 a long outage is survived: the loop tries on, ever more slowly, and recovers in one pass', async () => {
  const { passes, stages, advance, stop } = await running()
  stages.faults.read.push(...Array.from({ length: 8 }, () => unavailable()))
  stages.faults.login.push(...Array.from({ length: 3 }, () => unavailable()))

  await advance(700_000)
  await stop()

  const waits = passes.flatMap(({ next }) => next.retry?.waitMs ?? [])
  expect(Math.max(...waits)).toBeLessThanOrEqual(30_000)
  expect(passes.at(-1)?.report.error).toBeUndefined()
  expect(stages.shown.values).toEqual({ a: '1' })
})

test('P9 a server that keeps refusing is asked at most once a minute', async () => {
  const refusal = (): ConjurError => new ConjurError('CONJUR_FORBIDDEN', 'no', { hint: 'h' })
  const { passes, advance, stop } = await running({}, (fake) => {
    fake.faults.login.push(...Array.from({ length: 100 }, () => refusal()))
  })

  await advance(600_000)
  await stop()

  expect(passes.length).toBeLessThan(17)
  expect(passes.at(-1)?.next.retry?.waitMs).toBe(60_000)
})

test('P9 Retry-After is waited for', async () => {
  const { passes, advance, stop } = await running({}, (fake) => {
    fake.faults.login.push(unavailable({ retryAfterMs: 42_000 }))
  })

  await advance(60_000)
  await stop()

  expect(times(passes)).toEqual([0, 42])
})

test('the bell leads to a pass at once', async () => {
  const { passes, wake, advance, stop } = await running()
  await advance(10_000)

  wake.ring()
  await advance(1000)
  await stop()

  expect(times(passes)).toEqual([0, 10])
})

test('P4 a refusal is confirmed within 30 s, whatever the interval', async () => {
  const { passes, stages, wake, advance, stop } = await running(
    { refreshIntervalMs: 3_600_000 },
    (fake) => {
      fake.server.set('b', '2')
    },
  )
  stages.server.set('b', { kind: 'forbidden' })
  wake.ring()

  await advance(31_000)
  await stop()

  expect(stages.shown.values).toEqual({ a: '1' })
  expect(passes.length).toBe(3)
})

test('what the application still waits for is sought with back-off, not at the interval', async () => {
  const lacking = Array.from(
    { length: 3 },
    () => new ConjurError('CONJUR_NOT_FOUND', 'no', { hint: 'h' }),
  )
  const { passes, advance, stop } = await running({
    refreshIntervalMs: 3_600_000,
    unmet: () => lacking.shift(),
  })

  await advance(60_000)
  await stop()

  expect(times(passes)).toEqual([0, 1, 3, 7])
})

test('P7 an end is heard while waiting', async () => {
  const { stop, clock } = await running()
  const before = clock.now()

  await stop()

  expect(clock.now()).toBe(before)
})

test('a machine that slept notices within half a minute that its token is old', async () => {
  const clock = fakeClock(0)
  const stages = fakeStages(clock, { a: '1' })
  let slept = 0
  const wall = { ...stages.clock, now: () => clock.now() + slept }
  const logins: number[] = []
  const end = new AbortController()
  const done = loop(
    { ...stages, clock: wall },
    {
      refreshIntervalMs: undefined,
      retryIntervalMs: 1000,
      renewAfterMs: undefined,
      random: () => 0,
      unmet: () => undefined,
      onPass: (report) => report.loggedIn && logins.push(clock.now()),
      wake: createWake(),
    },
    end.signal,
  ).catch(() => undefined)
  await clock.sleeping()

  slept = 3_600_000
  await clock.advance(30_000)
  await clock.sleeping()
  end.abort(new Error('asked to end'))
  await done

  expect(logins).toHaveLength(2)
})

test('values are read before one of them ends, and after that at their interval again', async () => {
  const { passes, advance, stop } = await running({ refreshIntervalMs: 3_600_000 }, (fake) => {
    fake.expiries = [100_000, 90_000_000]
  })

  await advance(3_800_000)
  await stop()

  const read = times(passes, ({ outcomes }) => outcomes.size > 0)
  expect(read).toEqual([0, 75, 94, 109, 3709])
})

test('when values end is remembered while Conjur does not say', async () => {
  const { passes, stages, wake, advance, stop } = await running(
    { refreshIntervalMs: 3_600_000 },
    (fake) => {
      fake.expiries = [400_000]
    },
  )
  stages.expiries = undefined
  wake.ring()

  await advance(396_000)
  await stop()

  const read = times(passes, ({ outcomes }) => outcomes.size > 0)
  expect(read).toEqual([0, 0, 300, 375, 394])
})

test('the token of an earlier process is used for the rest of its life', async () => {
  const token = { secret: new Secret('token-0'), lifetimeMs: 480_000, login: 'host/a' }
  const { passes, stages, advance, stop } = await running({
    handOver: () => ({ token, received: { now: -60_000, monotonic: -60_000 }, isUntested: true }),
  })

  await advance(301_000)
  await stop()

  expect(times(passes, ({ outcomes }) => outcomes.size > 0)).toEqual([0, 300])
  expect(times(passes, ({ loggedIn }) => loggedIn)).toEqual([300])
  expect(stages.events.filter((event) => event === 'login')).toHaveLength(1)
})

test('P3 a token file that could not be written at a renewal is written as soon as it can be', async () => {
  const { passes, stages, advance, stop } = await running({ refreshIntervalMs: undefined })
  await advance(350_000)
  stages.faults.token.push(new OutputError('OUTPUT_FULL', 'full', { hint: 'h', retryable: true }))

  await advance(20_000)
  await stop()

  expect(times(passes, ({ loggedIn }) => loggedIn)).toEqual([0, 360])
  expect(stages.shown.token).toBe('token-2')
})
