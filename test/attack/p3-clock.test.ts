import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readiness } from '../../src/agent/health.ts'
import { loop } from '../../src/agent/loop.ts'
import { firstStatus, nextStatus } from '../../src/agent/status.ts'
import { createWake } from '../../src/agent/wake.ts'
import { Secret } from '../../src/core/secret.ts'
import { record, scaled, stopwatch } from '../support/attack.ts'
import { fakeClock, TEST_TIME } from '../support/fake-clock.ts'
import { fakeStages, unavailable } from '../support/fake-stages.ts'

const RUNS = scaled(60, 3000)
/** With less than this left of the token there is no time for one more try: an outage to its very end may show. */
const LAST_TRY_MS = 1500

interface Played {
  /** When the token on the volume was expired, in milliseconds of the play, by the server's clock. */
  readonly expiredAt: readonly number[]
  /** When the agent said that it is not ready. */
  readonly unreadyAt: readonly number[]
  /** Of the token on the volume at the moment at which the outage began. */
  readonly leftMs: number
  readonly lastError: string | undefined
}

interface Play {
  readonly lifetimeMs: number
  /** As shares of the token's life. */
  readonly outageFrom: number
  readonly outageFor: number
  readonly seed: number
  /** Of the agent's wall clock from the server's, one after the other, each for a tenth of the play. */
  readonly skewsMs?: readonly number[]
  /** Milliseconds of a step of the observer. */
  readonly stepMs: number
}

/** The engine over a fake clock, with one outage of Conjur, looked at step by step. */
async function play(options: Play): Promise<Played> {
  const { lifetimeMs, outageFrom, outageFor, stepMs, skewsMs = [0] } = options
  const clock = fakeClock(TEST_TIME)
  const elapsed = (): number => clock.now() - TEST_TIME
  const lengthMs = lifetimeMs * (outageFrom + outageFor + 3)
  const skew = (): number =>
    skewsMs[Math.floor((elapsed() / lengthMs) * skewsMs.length)] ?? skewsMs.at(-1) ?? 0
  const from = lifetimeMs * outageFrom
  const to = from + lifetimeMs * outageFor
  const isOut = (): boolean => elapsed() >= from && elapsed() < to
  const stages = fakeStages(clock, { a: '1' })
  const random = chance(options.seed)
  const expiries = new Map<string, number>()
  const agentClock = {
    now: () => clock.now() + skew(),
    monotonic: () => elapsed(),
    // A timer's grain; a smaller wait would be nothing to a clock that counts from 1970.
    sleep: (ms: number, signal: AbortSignal) => clock.sleep(Math.ceil(ms), signal),
  }
  const outOr = <Result>(result: () => Promise<Result>): Promise<Result> =>
    isOut() ? Promise.reject(unavailable()) : result()
  let logins = 0
  const attacked: typeof stages = {
    ...stages,
    clock: agentClock,
    authenticate: () =>
      outOr(async () => {
        const text = `token-${++logins}`
        expiries.set(text, elapsed() + lifetimeMs)
        return { secret: new Secret(text), lifetimeMs, login: 'host/a' }
      }),
    retrieve: (token, signal) => outOr(() => stages.retrieve(token, signal)),
  }
  let status = firstStatus('sidecar', agentClock.now())
  const end = new AbortController()
  const done = loop(
    attacked,
    {
      refreshIntervalMs: Math.max(1000, lifetimeMs / 3),
      retryIntervalMs: 1000,
      renewAfterMs: undefined,
      random,
      unmet: () => undefined,
      onPass(report, next) {
        status = nextStatus(status, { report, next, clock: agentClock })
      },
      wake: createWake(),
    },
    end.signal,
  ).catch((error: unknown) => {
    if (!end.signal.aborted) throw error
  })
  await clock.sleeping()

  const expiredAt: number[] = []
  const unreadyAt: number[] = []
  let leftMs = Number.NaN
  while (elapsed() < lengthMs) {
    await clock.advance(stepMs)
    const left = (expiries.get(stages.shown.token) ?? 0) - elapsed()
    // No token is renewed while the outage lasts: what is held at its first step was held when it began.
    if (Number.isNaN(leftMs) && elapsed() >= from) leftMs = left + (elapsed() - from)
    if (left <= 0) expiredAt.push(elapsed())
    if (!readiness(status, agentClock.now()).ok) unreadyAt.push(elapsed())
  }
  end.abort(new Error('asked to end'))
  await done
  return { expiredAt, unreadyAt, leftMs, lastError: status.lastError?.code }
}

/** Numbers from 0 to 1 that a seed gives again. */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const lives = fc.oneof(
  fc.integer({ min: 30_000, max: 600_000 }),
  fc.constantFrom(30_000, 480_000, 3_600_000, 28_800_000),
)
const outages = {
  lifetimeMs: lives,
  outageFrom: fc.double({ min: 1.05, max: 2.5, noNaN: true }),
  outageFor: fc.double({ min: 0.01, max: 2.5, noNaN: true }),
  seed: fc.integer(),
}

test(
  `P3 tokens of 30 s to 8 h and ${RUNS} outages: a shorter one is invisible, a longer one shows when the token ends and is over at once`,
  async () => {
    const took = stopwatch()
    const counts = { shorter: 0, longer: 0 }
    // A counterexample that is made smaller is played, and counted, again.
    const lost = { shown: 0, late: 0 }
    try {
      await fc.assert(
        fc.asyncProperty(fc.record(outages), async (outage) => {
          const stepMs = Math.max(250, outage.lifetimeMs / 400)
          const played = await play({ ...outage, stepMs })

          const outageMs = outage.lifetimeMs * outage.outageFor
          const endsAt = outage.lifetimeMs * outage.outageFrom + outageMs
          if (outageMs <= played.leftMs - LAST_TRY_MS) {
            counts.shorter++
            lost.shown += played.expiredAt.length + played.unreadyAt.length
            expect(played.expiredAt).toEqual([])
            expect(played.unreadyAt).toEqual([])
          } else if (outageMs > played.leftMs + LAST_TRY_MS) {
            counts.longer++
            // It says so from the moment at which the token ends, not before, …
            const expiry = outage.lifetimeMs * outage.outageFrom + played.leftMs
            expect(played.unreadyAt[0]).toBeGreaterThanOrEqual(expiry - stepMs)
            expect(played.unreadyAt[0]).toBeLessThanOrEqual(expiry + 2 * stepMs)
            expect(played.unreadyAt).toEqual(played.expiredAt)
            // … and the first try after the outage ends it, half a minute later at most.
            const over = played.unreadyAt.at(-1) ?? Number.NaN
            if (over > endsAt + 30_000 + stepMs) lost.late++
            expect(over).toBeLessThanOrEqual(endsAt + 30_000 + stepMs)
          }
          expect(played.lastError).toBeUndefined()
        }),
        { numRuns: RUNS },
      )
    } finally {
      record('P3 outages on a fake clock', {
        tried: {
          'outages shorter than what was left of the token': counts.shorter,
          'longer ones': counts.longer,
        },
        lost: {
          'moments of an expired token in a shorter one': lost.shown,
          'longer ones not over half a minute after their end': lost.late,
        },
        seconds: took(),
      })
    }
    expect(counts.shorter).toBeGreaterThan(RUNS / 20)
    expect(counts.longer).toBeGreaterThan(RUNS / 20)
  },
  scaled(120_000, 3_600_000),
)

test(
  `P3 a wall clock that is ten minutes wrong and jumps ${RUNS} times over never lets the token expire`,
  async () => {
    const took = stopwatch()
    const skews = fc.array(fc.integer({ min: -600_000, max: 600_000 }), {
      minLength: 1,
      maxLength: 10,
    })
    let expired = 0
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.record({ lifetimeMs: lives, seed: fc.integer(), skewsMs: skews }),
          async (clocks) => {
            const stepMs = Math.max(250, clocks.lifetimeMs / 400)
            const played = await play({ ...clocks, outageFrom: 3, outageFor: 0, stepMs })

            expired += played.expiredAt.length
            expect(played.expiredAt).toEqual([])
            expect(played.lastError).toBeUndefined()
          },
        ),
        { numRuns: RUNS },
      )
    } finally {
      record('P3 clocks that jump', {
        tried: { 'runs of six lives of a token, with up to ten jumps of ten minutes': RUNS },
        lost: { 'moments of an expired token': expired },
        seconds: took(),
      })
    }
  },
  scaled(120_000, 3_600_000),
)
