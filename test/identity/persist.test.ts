import { expect, test } from 'vitest'

import { IdentityError } from '../../src/core/errors.ts'
import { persistence, type Outcome, type RetryRule } from '../../src/identity/persist.ts'
import { hastyClock } from '../support/fake-clock.ts'

const signal = new AbortController().signal
const FOREVER: RetryRule = { waitsMs: [1000, 2000] }
const error = new IdentityError('IDENTITY_NOT_READY', 'not yet', { hint: 'wait', retryable: true })

test('a first boot is waited for as long as the platform may need', async () => {
  const clock = hastyClock()
  const persist = persistence({ clock, random: () => 0 }, 10_000)

  const failed = await persist(signal, notYet).catch((error: unknown) => error)

  expect(failed).toBe(error)
  expect(clock.waits).toEqual([1000, 2000, 2000, 2000, 2000])
})

test('a setting takes the place of that budget', async () => {
  const clock = hastyClock()
  const persist = persistence({ clock, random: () => 0, budgetMs: 3000 }, 10_000)

  await persist(signal, notYet).catch((error: unknown) => error)

  expect(clock.waits).toEqual([1000, 2000])
})

test('a platform that gave a token before is waited for half a minute: the pass has other things to do', async () => {
  const clock = hastyClock()
  const persist = persistence({ clock, random: () => 0 }, 300_000)
  await persist(signal, () => Promise.resolve({ value: 'token' }))

  await persist(signal, notYet).catch((error: unknown) => error)

  expect(clock.waits.reduce((sum, wait) => sum + wait, 0)).toBeLessThanOrEqual(30_000)
  expect(clock.waits.length).toBeGreaterThan(10)
})

test('rules are counted apart, and a rule that is used up ends it', async () => {
  const clock = hastyClock()
  const twice: RetryRule = { waitsMs: [5000], retries: 2 }
  const rules = [twice, FOREVER, twice, FOREVER, twice]
  const persist = persistence({ clock, random: () => 0 }, 300_000)

  const failed = await persist(signal, () =>
    Promise.resolve({ error, again: rules.shift() ?? FOREVER }),
  ).catch((error: unknown) => error)

  expect(failed).toBe(error)
  expect(clock.waits).toEqual([5000, 1000, 5000, 2000])
})

test('what an attempt throws is not tried again', async () => {
  const clock = hastyClock()
  const persist = persistence({ clock }, 300_000)

  const failed = await persist(signal, () => Promise.reject(error)).catch((error: unknown) => error)

  expect(failed).toBe(error)
  expect(clock.waits).toEqual([])
})

function notYet(): Promise<Outcome<string>> {
  return Promise.resolve({ error, again: FOREVER })
}
