import { beforeAll, describe, expect, test } from 'vitest'
import { largest, mean, peakToMean, waveAt, windows } from '../support/herd/figures.ts'
import { runFleet, type Fleet } from '../support/herd/fleet.ts'
import type { Second } from '../support/herd/modelled-conjur.ts'
import { leastTimeMs, scaledFor, tirelessConjur } from '../support/herd/scaled.ts'

// A thousand agents run the agent's own loop, schedule, back-off and choice of server in virtual time;
// `npm run simulate` does the same with ten thousand. A tenth of the agents is counted in windows of
// ten times the length: what is looked at is the schedule, not the noise of small numbers.
const AGENTS = 1000
const WINDOW_SECONDS = 10
const MINUTE = 60_000

function logins(server: readonly Second[] | undefined): number[] {
  return (server ?? []).map((second) => second.logins)
}

function reads(server: readonly Second[] | undefined): number[] {
  return (server ?? []).map((second) => second.reads)
}

describe('P9 a thousand agents that start in the same second, at a Conjur that is never busy', () => {
  let fleet: Fleet

  beforeAll(async () => {
    fleet = await runFleet({
      agents: AGENTS,
      startWithinMs: 1000,
      untilMs: 50 * MINUTE,
      refreshIntervalMs: 5 * MINUTE,
      traits: tirelessConjur,
    })
  })

  test('renew in the windows after that at no more than three times the steady rate', () => {
    const later = logins(fleet.servers[0]).slice(WINDOW_SECONDS)
    const steady = mean(windows(later.slice(1500), WINDOW_SECONDS))

    expect(largest(windows(later, WINDOW_SECONDS)) / steady).toBeLessThanOrEqual(3)
  })

  test('read their values in the windows after that at no more than three times the steady rate', () => {
    const later = reads(fleet.servers[0]).slice(WINDOW_SECONDS)
    const steady = mean(windows(later.slice(1500), WINDOW_SECONDS))

    expect(largest(windows(later, WINDOW_SECONDS)) / steady).toBeLessThanOrEqual(3)
  })

  test('swing together no more after half an hour', () => {
    const last = -1500

    expect(waveAt(logins(fleet.servers[0]).slice(last), 348)).toBeLessThan(0.15)
    expect(waveAt(reads(fleet.servers[0]).slice(last), 292)).toBeLessThan(0.15)
  })
})

test('P9 a thousand containers that start again in the same second, their tokens on the volume, log in at the steady rate from the first second on', async () => {
  const { servers } = await runFleet({
    agents: AGENTS,
    startWithinMs: 1000,
    untilMs: 30 * MINUTE,
    refreshIntervalMs: 5 * MINUTE,
    traits: tirelessConjur,
    takeOver: true,
  })
  const counts = logins(servers[0])

  expect(peakToMean(counts, WINDOW_SECONDS)).toBeLessThanOrEqual(3)
})

test('P9 a thousand agents that hibernate are parted by their first wakings too', async () => {
  const { servers } = await runFleet({
    agents: AGENTS,
    startWithinMs: 1000,
    untilMs: 80 * MINUTE,
    refreshIntervalMs: 5 * MINUTE,
    traits: tirelessConjur,
    idle: 'hibernate',
  })
  const later = logins(servers[0]).slice(WINDOW_SECONDS)
  const steady = mean(windows(later.slice(2400), WINDOW_SECONDS))

  expect(largest(windows(later, WINDOW_SECONDS)) / steady).toBeLessThanOrEqual(3)
  expect(waveAt(later.slice(-1500), 292)).toBeLessThan(0.15)
})

describe('P9 a thousand agents at a Conjur of their size, whose database goes away for ten minutes', () => {
  const [from, until] = [15 * MINUTE, 25 * MINUTE]
  const traits = scaledFor(AGENTS)
  let fleet: Fleet

  beforeAll(async () => {
    fleet = await runFleet({
      agents: AGENTS,
      startWithinMs: 1000,
      untilMs: 65 * MINUTE,
      refreshIntervalMs: 5 * MINUTE,
      traits,
      servers: [{ outages: [{ kind: 'database', from, until }] }],
    })
  })

  test('are all up within half as long again as that Conjur needs at best', () => {
    const upAt = fleet.published.map(([first = Infinity]) => first)

    expect(Math.max(...upAt)).toBeLessThan(1.5 * leastTimeMs(AGENTS, traits))
  })

  // It is half busy with those that are back, so it cannot be done in the time it needs at best.
  test('all have their values again within two and a half times what it needs at best', () => {
    const backAt = fleet.published.map((times) => times.find((at) => at > until) ?? Infinity)

    expect(Math.max(...backAt) - until).toBeLessThan(2.5 * leastTimeMs(AGENTS, traits))
  })

  test('do not wear it out meanwhile: each asks about once in half a minute', () => {
    const outage = fleet.servers[0]?.slice(from / 1000 + 120, until / 1000) ?? []
    const asked = outage.reduce((sum, second) => sum + second.logins + second.reads, 0)

    expect(asked / AGENTS / (outage.length / 60)).toBeLessThan(4)
  })

  test('are not called together again by the end of the outage', () => {
    const after = logins(fleet.servers[0]).slice(until / 1000 + 8 * 60)

    expect(peakToMean(after, WINDOW_SECONDS)).toBeLessThanOrEqual(3)
    expect(waveAt(after.slice(-1500), 348)).toBeLessThan(0.15)
  })
})

test('P9 a thousand agents whose first server dies are no herd at the second, nor at the first when it is back', async () => {
  const [from, until] = [12 * MINUTE, 30 * MINUTE]
  const { servers, tokenless } = await runFleet({
    agents: AGENTS,
    startWithinMs: 6 * MINUTE,
    untilMs: 50 * MINUTE,
    refreshIntervalMs: 5 * MINUTE,
    traits: scaledFor(AGENTS),
    servers: [{ outages: [{ kind: 'gone', from, until }] }, {}],
  })
  const [first = [], second = []] = servers
  const before = mean(windows(logins(first).slice(360, from / 1000), WINDOW_SECONDS))

  expect(largest(windows(logins(second), WINDOW_SECONDS)) / before).toBeLessThanOrEqual(3)
  const back = logins(first).slice(until / 1000)
  expect(largest(windows(back, WINDOW_SECONDS)) / before).toBeLessThanOrEqual(3)
  expect(mean(logins(first).slice(-480))).toBeGreaterThan(0)
  expect(
    logins(second)
      .slice(-480)
      .reduce((sum, count) => sum + count, 0),
  ).toBe(0)
  expect(tokenless.filter(({ at }) => at > from).every(({ count }) => count === 0)).toBe(true)
})
