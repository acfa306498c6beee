import { expect, test } from 'vitest'
import { awake, type AwakeOptions, type Sleep } from '../../src/agent/awake.ts'
import { takeOver } from '../../src/agent/hand-over.ts'
import type { NextPass } from '../../src/agent/loop.ts'
import { fingerprint, parseWaking, printWaking, type Waking } from '../../src/agent/waking.ts'
import { ConjurError, OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { fakeClock, type FakeClock } from '../support/fake-clock.ts'
import { fakeStages, unavailable, type FakeStages } from '../support/fake-stages.ts'

interface Woken {
  readonly sleep: Sleep
  readonly stages: FakeStages
  readonly told: readonly NextPass[]
}

const NOW = 1_000_000_000

/** One waking at NOW, with a token of this age in its file. */
async function woken(
  options: Partial<AwakeOptions> & { readonly tokenAgeS?: number } = {},
  prepare: (stages: FakeStages, clock: FakeClock) => void = () => undefined,
): Promise<Woken> {
  const clock = fakeClock(NOW)
  const stages = fakeStages(clock, { a: '1' })
  prepare(stages, clock)
  const told: NextPass[] = []
  const { tokenAgeS, ...others } = options
  const sleep = await awake(
    stages,
    {
      waking: waking({}),
      variableIds: ['a', 'b'],
      refreshIntervalMs: 300_000,
      retryIntervalMs: 1000,
      renewAfterMs: undefined,
      random: () => 0,
      unmet: () => undefined,
      isRung: () => false,
      onPass: (_report, next) => told.push(next),
      ...others,
      ...(tokenAgeS === undefined ? {} : { handOver: () => tokenOf(tokenAgeS) }),
    },
    new AbortController().signal,
  )
  return { sleep, stages, told }
}

function tokenOf(ageS: number) {
  const token = { secret: new Secret('token-0'), lifetimeMs: 480_000, login: 'host/a' }
  const at = NOW - ageS * 1000
  return { token, received: { now: at, monotonic: at }, isUntested: true }
}

function waking(more: Partial<Waking>): Waking {
  const instants = { startedAt: 5, checkedAt: 6, valuesAt: NOW, renewAt: NOW + 250_000 }
  const told = { attempt: 0, calm: 9, refused: new Set<number>(), zeroAt: 0, receivedAt: undefined }
  return { ...instants, ...told, ...more }
}

const missing = { kind: 'missing' } as const

test('the first waking logs in, reads and sleeps until the values are due', async () => {
  const { sleep, stages } = await woken({ waking: undefined })

  expect(stages.events).toEqual(['login', 'token', 'read', 'set'])
  expect(sleep).toEqual({
    seconds: 300,
    waking: {
      startedAt: NOW,
      checkedAt: NOW,
      valuesAt: NOW + 300_000,
      renewAt: NOW + 360_000,
      attempt: 0,
      calm: 1,
      refused: new Set(),
      zeroAt: 0,
      receivedAt: NOW,
    },
  })
})

test('a fresh token of the file is enough', async () => {
  const { stages, sleep } = await woken({ tokenAgeS: 100 })

  expect(stages.events).toEqual(['token', 'read', 'set'])
  expect(sleep).toMatchObject({ seconds: 250, waking: { renewAt: NOW + 250_000, calm: 10 } })
})

test('P3 where the token’s turn comes long before the values, it is renewed and nothing is read', async () => {
  const { stages, sleep } = await woken({
    tokenAgeS: 360,
    refreshIntervalMs: 3_600_000,
    waking: waking({ valuesAt: NOW + 3_000_000, renewAt: NOW }),
  })

  expect(stages.events).toEqual(['login', 'token'])
  expect(sleep).toMatchObject({ seconds: 360, waking: { valuesAt: NOW + 3_000_000, checkedAt: 6 } })
})

test('a renewal that would come soon after the values is done with them: an engine that starts costs more', async () => {
  const { stages, sleep } = await woken({
    tokenAgeS: 300,
    waking: waking({ renewAt: NOW + 60_000 }),
  })

  expect(stages.events).toEqual(['login', 'token', 'read', 'set'])
  expect(sleep.seconds).toBe(300)
})

test('who is woken before any turn has come reads the values', async () => {
  const { stages } = await woken({
    tokenAgeS: 10,
    refreshIntervalMs: undefined,
    waking: waking({ valuesAt: undefined }),
  })

  expect(stages.events).toEqual(['token', 'read', 'set'])
})

test('P9 failures back off over wakings, and an end of them begins anew', async () => {
  const fail = (stages: FakeStages): void => void stages.faults.read.push(unavailable())

  const sleeps: number[] = []
  for (const attempt of [0, 1, 2, 3, 9]) {
    const { sleep } = await woken({ tokenAgeS: 100, waking: waking({ attempt }) }, fail)
    expect(sleep.waking).toMatchObject({ attempt: attempt + 1, checkedAt: 6, calm: 0 })
    sleeps.push(sleep.seconds)
  }
  const { sleep } = await woken({ tokenAgeS: 100, waking: waking({ attempt: 9 }) })

  expect(sleeps).toEqual([1, 2, 4, 8, 30])
  expect(sleep.waking.attempt).toBe(0)
})

test('P3 while the application’s token ends, no sleep is longer than a third of what is left', async () => {
  const { sleep } = await woken({ tokenAgeS: 450, waking: waking({ attempt: 9 }) }, (stages) =>
    stages.faults.login.push(unavailable()),
  )

  expect(sleep.seconds).toBe(10)
})

test('P4 a refusal is confirmed before sleeping, and then remembered by a number', async () => {
  const clock: FakeClock[] = []
  const running = woken({ tokenAgeS: 10 }, (stages, its) => {
    clock.push(its)
    stages.server.set('b', missing)
  })
  await clock[0]?.sleeping()
  await clock[0]?.advance(15_000)
  const { stages, sleep, told } = await running

  expect(stages.events).toEqual(['token', 'read', 'set', 'token', 'read', 'set'])
  expect(stages.shown).toMatchObject({ values: { a: '1' }, unknown: [] })
  expect(told.map(({ valuesInMs }) => valuesInMs)).toEqual([15_000, 300_000])
  expect(sleep.waking.refused).toEqual(new Set([fingerprint('b')]))
})

test('P3 a wall clock that is set back before the second answer puts nothing off', async () => {
  const clock: FakeClock[] = []
  let setBackMs = 0
  const running = woken({ tokenAgeS: 10 }, (stages, its) => {
    clock.push(its)
    stages.server.set('b', missing)
    Object.assign(stages, { clock: { ...stages.clock, now: () => its.now() - setBackMs } })
  })
  await clock[0]?.sleeping()
  setBackMs = 100_000
  await clock[0]?.advance(15_000)

  expect((await running).sleep).toMatchObject({
    seconds: 235,
    waking: { receivedAt: NOW - 10_000 },
  })
})

const full = new OutputError('OUTPUT_FULL', 'full', { hint: 'h', retryable: true })

test('P9 a token that cannot be written is not lost: it is awake until that can be done, and logs in once', async () => {
  const clock: FakeClock[] = []
  const running = woken({ tokenAgeS: 360, waking: waking({ renewAt: NOW }) }, (stages, its) => {
    clock.push(its)
    stages.faults.token.push(full, full)
  })
  for (const ms of [1000, 2000]) {
    await clock[0]?.sleeping()
    await clock[0]?.advance(ms)
  }
  const { stages, sleep } = await running

  expect(stages.events.filter((event) => event === 'login')).toHaveLength(1)
  expect(stages.shown.token).toBe('token-1')
  expect(sleep).toMatchObject({ seconds: 300, waking: { attempt: 0 } })
})

test('P9 it goes to sleep before that token is no longer fresh, and the next waking logs in', async () => {
  const { stages, sleep } = await woken({}, (its, clock) => {
    its.faults.token.push(...Array.from({ length: 99 }, () => full))
    Object.assign(its, { clock: { ...its.clock, sleep: (ms: number) => clock.advance(ms) } })
  })

  expect(stages.events.filter((event) => event === 'login')).toHaveLength(1)
  expect(stages.clock.now() - NOW).toBeGreaterThan(320_000)
  expect(sleep).toMatchObject({ seconds: 30, waking: { checkedAt: 6 } })
})

test('P4 what was refused for certain needs no second answer after a sleep', async () => {
  const { stages, told } = await woken(
    { tokenAgeS: 10, waking: waking({ refused: new Set([fingerprint('b')]) }) },
    (stages) => stages.server.set('b', missing),
  )

  expect(told).toHaveLength(1)
  expect(stages.shown.unknown).toEqual([])
})

test('P4 a refusal whose second asking meets an outage is not remembered', async () => {
  const clock: FakeClock[] = []
  const running = woken({ tokenAgeS: 10 }, (stages, its) => {
    clock.push(its)
    stages.server.set('b', missing)
    const { retrieve } = stages
    let readings = 0
    Object.assign(stages, {
      retrieve(...asked: Parameters<typeof retrieve>) {
        if (++readings === 2) stages.faults.read.push(unavailable())
        return retrieve(...asked)
      },
    })
  })
  await clock[0]?.sleeping()
  await clock[0]?.advance(15_000)
  const { sleep } = await running

  expect(sleep.waking).toMatchObject({ attempt: 1, refused: new Set() })
})

test('a ring that came meanwhile is a pass at once', async () => {
  const { sleep } = await woken({ tokenAgeS: 10, isRung: () => true })

  expect(sleep).toMatchObject({ seconds: 0, waking: { valuesAt: 0 } })
})

test('P9 agents that started together part by their first sleeps', async () => {
  const first = { waking: undefined, random: () => 1 }
  const { sleep } = await woken(first)
  const later = await woken({ tokenAgeS: 1, waking: waking({}), random: () => 1 })

  expect(sleep.seconds).toBe(75)
  expect(later.sleep.waking.valuesAt).toBe(NOW + 285_000)
})

test('a clock that was set back does not put off the values', async () => {
  const { stages } = await woken({ tokenAgeS: 350, waking: waking({ valuesAt: NOW + 9e9 }) })

  expect(stages.events).toContain('read')
})

test('a failure without a pause is a pause of a second', async () => {
  const hurried = new ConjurError('CONJUR_UNAVAILABLE', 'away', { hint: 'h', retryable: true })
  const { sleep } = await woken({ retryIntervalMs: 0, tokenAgeS: 100 }, (stages) =>
    stages.faults.read.push(hurried),
  )

  expect(sleep.seconds).toBe(1)
})

/** Wakings until five minutes are over; the greatest age of the token on the volume, in seconds, and how many there were. */
async function slept(
  refreshIntervalMs: number,
  setBy: (asleep: number) => number,
): Promise<{ readonly oldestS: number; readonly logins: number }> {
  const time = fakeClock(NOW)
  const stages = fakeStages(time)
  let setByMs = 0
  const clock = { ...stages.clock, now: () => time.now() + setByMs }
  let written: { readonly text: Secret; readonly writtenAt: number } | undefined
  let loggedInAt = 0
  let logins = 0
  let oldestS = 0
  const authenticate = async () => {
    loggedInAt = time.now()
    logins++
    const [iat, exp] = [loggedInAt / 1000, loggedInAt / 1000 + 40]
    const payload = Buffer.from(JSON.stringify({ iat, exp, sub: 'host/a' })).toString('base64url')
    const secret = new Secret(JSON.stringify({ protected: 'p', payload, signature: 's' }))
    written = { text: secret, writtenAt: clock.now() }
    return { secret, lifetimeMs: 40_000, login: 'host/a' }
  }
  let last: Waking | undefined
  for (let asleep = 0; time.now() < NOW + 300_000; asleep++) {
    const { seconds, waking: next } = await awake(
      { ...stages, clock, authenticate },
      {
        waking: last,
        variableIds: [],
        refreshIntervalMs,
        retryIntervalMs: 1000,
        renewAfterMs: undefined,
        random: () => 0,
        unmet: () => undefined,
        isRung: () => false,
        onPass: () => undefined,
        handOver(receivedAt) {
          const found = takeOver(written ?? { why: 'none' }, {
            login: undefined,
            clock,
            receivedAt,
          })
          return 'held' in found ? found.held : undefined
        },
      },
      new AbortController().signal,
    )
    last = parseWaking(printWaking(next))
    await time.advance(seconds * 1000)
    oldestS = Math.max(oldestS, (time.now() - loggedInAt) / 1000)
    setByMs += setBy(asleep)
  }
  return { oldestS, logins }
}

test.for([10_000, 3_600_000])(
  'P3 a wall clock that is set while it sleeps makes no token older than it may be, at a pass every %i ms',
  async (interval) => {
    for (const ms of [-25_000, -3000, 3000, 25_000, 1e9]) {
      const once = await slept(interval, (asleep) => (asleep === 1 ? ms : 0))
      expect(once.oldestS).toBeLessThanOrEqual(30)
    }
    const always = await slept(interval, () => -4000)
    expect(always.oldestS).toBeLessThanOrEqual(30)
    expect(await slept(interval, () => 0)).toEqual({ oldestS: 30, logins: 10 })
  },
)
