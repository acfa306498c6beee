import { expect, test } from 'vitest'
import { loop } from '../../src/agent/loop.ts'
import { createWake } from '../../src/agent/wake.ts'
import { Secret } from '../../src/core/secret.ts'
import { record, scaled, stopwatch } from '../support/attack.ts'
import { fakeClock, TEST_TIME } from '../support/fake-clock.ts'
import { fakeStages } from '../support/fake-stages.ts'

const MINUTE_MS = 60_000
const MINUTES = scaled(12 * 60, 7 * 24 * 60)
const REFRESH_MS = 30_000

test(
  `P10 ${MINUTES} minutes in which values and platform tokens are rotated once a minute: each is read afresh, nothing waits for a restart`,
  async () => {
    const took = stopwatch()
    const clock = fakeClock(TEST_TIME)
    const stages = fakeStages(clock, { a: 'minute-0' })
    // A token lives for a minute and a half, and its platform token for two: both change under the agent's feet.
    stages.lifetimeMs = 90_000
    let minute = 0
    const presented: string[] = []
    const identity = {
      ...stages.identity,
      token: async () => {
        const secret = new Secret(`platform-${minute}`)
        presented.push(secret.text())
        return { kind: 'jwt' as const, secret, header: {}, claims: {}, expiresAt: undefined }
      },
    }
    const stop = new AbortController()
    const running = loop(
      { ...stages, identity },
      {
        refreshIntervalMs: REFRESH_MS,
        retryIntervalMs: 1000,
        renewAfterMs: undefined,
        random: () => 0.5,
        unmet: () => undefined,
        onPass: () => undefined,
        wake: createWake(),
      },
      stop.signal,
    )
    await clock.sleeping()
    let late = 0
    let stale = 0
    const tokens = new Set<string>()

    for (minute = 1; minute <= MINUTES; minute++) {
      stages.server.set('a', `minute-${minute}`)
      // The longest an application may wait: one interval, and what chance puts to it.
      for (let step = 0; step < 12; step++) await clock.advance(MINUTE_MS / 12)
      tokens.add(stages.shown.token)
      if (stages.shown.values['a'] !== `minute-${minute}`) late++
      const last = Number(presented.at(-1)?.replace('platform-', ''))
      if (minute - last > 1) stale++
    }
    stop.abort(new Error('over'))
    await running.catch(() => undefined)

    record('P10 a week of rotations', {
      tried: {
        'values, platform tokens rotated': MINUTES,
        'access tokens published': tokens.size,
        'simulated hours': MINUTES / 60,
      },
      lost: { 'values a minute old': late, 'logins with an old platform token': stale },
      seconds: took(),
    })
    expect([late, stale]).toEqual([0, 0])
    expect(tokens.size).toBeGreaterThan(MINUTES / 2)
    expect(new Set(presented).size).toBeGreaterThan(MINUTES / 2)
  },
  scaled(60_000, 600_000),
)
