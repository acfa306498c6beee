import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  beforeExpiry,
  isFresh,
  jittered,
  renewalAgeMs,
  retryDelayMs,
  spreadAfter,
} from '../../src/agent/schedule.ts'

const share = fc.double({ min: 0, max: 1, noNaN: true })
const life = fc.integer({ min: 1000, max: 5 * 3_600_000 })

test('P3 a token is renewed at three quarters of its life, at most five per cent earlier', () => {
  fc.assert(
    fc.property(life, share, (lifetimeMs, jitter) => {
      const age = renewalAgeMs(lifetimeMs, { jitter, spread: 'narrow', atMostMs: undefined })

      expect(age).toBeLessThanOrEqual(lifetimeMs * 0.75)
      expect(age).toBeGreaterThanOrEqual(lifetimeMs * 0.7 - 1)
      expect(isFresh({ lifetimeMs, ageMs: age })).toBe(true)
    }),
  )
})

test('an administrator can have it renewed more often, not less', () => {
  const age = (atMostMs: number): number =>
    renewalAgeMs(480_000, { jitter: 0, spread: 'narrow', atMostMs })

  expect(age(60_000)).toBe(60_000)
  expect(age(3_600_000)).toBe(360_000)
})

test('P9 the first five waits after a start or a failure part agents widely, later ones keep them apart', () => {
  expect([0, 1, 4, 5, 6, 1000].map((waits) => spreadAfter(waits))).toEqual([
    'wide',
    'wide',
    'wide',
    'narrow',
    'narrow',
    'narrow',
  ])
})

test('P9 of a token that is found late in its time only the rest of that is shortened by chance', () => {
  const age = (jitter: number): number =>
    renewalAgeMs(480_000, { jitter, spread: 'wide', foundAtMs: 300_000, atMostMs: undefined })

  expect([age(0), age(1)].map((ms) => Math.round(ms))).toEqual([360_000, 320_000])
})

test('P9 a wide wait for the token is a quarter to three quarters of its life, one for values a quarter to all of the interval', () => {
  const age = (jitter: number): number =>
    renewalAgeMs(480_000, { jitter, spread: 'wide', atMostMs: undefined })

  expect([age(0), age(1)].map((ms) => Math.round(ms))).toEqual([360_000, 120_000])
  expect(jittered(300_000, { jitter: 0, spread: 'wide' })).toBe(300_000)
  expect(jittered(300_000, { jitter: 1, spread: 'wide' })).toBe(75_000)
  expect(jittered(300_000, { jitter: 1, spread: 'narrow' })).toBe(285_000)
})

const retry = {
  attempt: 1,
  baseMs: 1000,
  capMs: 30_000,
  jitter: 0,
  retryAfterMs: undefined,
  tokenLeftMs: undefined,
}

test('P9 waits double up to the cap', () => {
  const waits = [1, 2, 3, 4, 5, 6, 7, 1000].map((attempt) => retryDelayMs({ ...retry, attempt }))

  expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
})

test('P9 half of a wait is left to chance', () => {
  const waits = [0, 0.5, 1].map((jitter) => retryDelayMs({ ...retry, attempt: 2, jitter }))

  expect(waits).toEqual([2000, 1500, 1000])
})

test.each([0, -5])('a token that has ended (%i ms) is no reason to hurry', (tokenLeftMs) => {
  expect(retryDelayMs({ ...retry, tokenLeftMs })).toBe(1000)
})

test('P9 a server’s Retry-After is honoured', () => {
  expect(retryDelayMs({ ...retry, retryAfterMs: 45_000 })).toBe(45_000)
  expect(retryDelayMs({ ...retry, retryAfterMs: 10 })).toBe(1000)
})

test('P9 a Retry-After of a day does not stop a pod for a day', () => {
  expect(retryDelayMs({ ...retry, retryAfterMs: 86_400_000 })).toBe(300_000)
})

test('P3 a Retry-After does not outlast the token that the application holds', () => {
  const wait = retryDelayMs({ ...retry, retryAfterMs: 300_000, tokenLeftMs: 100_000 })

  expect(wait).toBe(80_000)
})

test('P3 while the token lives there is always time for another try before it ends', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      share,
      fc.integer({ min: 2000, max: 480_000 }),
      (attempt, jitter, tokenLeftMs) => {
        const wait = retryDelayMs({ ...retry, attempt, jitter, tokenLeftMs })

        expect(wait).toBeLessThan(tokenLeftMs)
      },
    ),
  )
})

describe('values that end', () => {
  const interval = 3_600_000
  const wait = (...expiries: readonly number[]): number =>
    beforeExpiry(interval, { expiries, now: 1_000_000, atLeastMs: 15_000 })

  test('bring the next reading forward to three quarters of what the first has left', () => {
    expect(wait(1_000_000 + 400_000, 1_000_000 + 100_000)).toBe(75_000)
  })

  test('change nothing where they end later, have ended, or are not known', () => {
    expect(wait(1_000_000 + 2 * interval)).toBe(interval)
    expect(wait(1_000_000, 5)).toBe(interval)
    expect(wait()).toBe(interval)
  })

  test('never make the wait shorter than the least, nor longer than the interval', () => {
    expect(wait(1_000_001)).toBe(15_000)
    expect(beforeExpiry(1000, { expiries: [20_000], now: 0, atLeastMs: 15_000 })).toBe(1000)
  })
})
