import { writeFileSync } from 'node:fs'
import { largest, mean, waveAt, windows } from '../test/support/herd/figures.ts'
import { runFleet, type Fleet } from '../test/support/herd/fleet.ts'
import type { Second } from '../test/support/herd/modelled-conjur.ts'
import { leastTimeMs, scaledFor, tirelessConjur } from '../test/support/herd/scaled.ts'
import { plot, type Curve } from '../test/support/plot.ts'
import type { Row } from './runner.ts'

const AGENTS = Number(process.env['HERD_AGENTS'] ?? 10_000)
const HOURS = Number(process.env['HERD_HOURS'] ?? 6)
/** Fewer agents are counted in longer windows, so that small numbers do not look like a crowd. */
const WINDOW_SECONDS = Math.max(1, Math.round(10_000 / AGENTS))
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const REFRESH_MS = 5 * MINUTE

/**
 * Ten thousand agents in virtual time start in the same second at a Conjur that is never busy: what
 * the schedule alone does, since nobody is held back by a server. The plots go to docs/scale/.
 */
export async function herdRestart(): Promise<readonly Row[]> {
  const fleet = await runFleet({
    agents: AGENTS,
    startWithinMs: 1000,
    untilMs: 2 * HOUR,
    refreshIntervalMs: REFRESH_MS,
    traits: tirelessConjur,
  })
  const logins = per(fleet, 'logins')
  const reads = per(fleet, 'reads')
  const again = await runFleet({
    agents: AGENTS,
    startWithinMs: 1000,
    untilMs: HOUR,
    refreshIntervalMs: REFRESH_MS,
    traits: tirelessConjur,
    takeOver: true,
  })
  const anew = per(again, 'logins')
  // The first logins are there to be made: each pod waits for its own.
  const after = logins.slice(WINDOW_SECONDS + 1)
  draw('restart', `${AGENTS} agents start in one second: logins a second, after the first`, [
    { name: 'logins/s', points: everyMinute(after.slice(0, 3600), 0.5) },
    { name: 'reads/s', points: everyMinute(reads.slice(2, 3602), 0.5) },
  ])
  return [
    {
      what: 'start in one second: steady logins',
      measured: round(mean(logins.slice(3600))),
      unit: '/s',
    },
    {
      what: 'peak in the renewal windows after it',
      measured: round(peak(after) / mean(logins.slice(3600))),
      unit: '× the steady mean',
      atMost: 3,
    },
    {
      what: 'the same of reads',
      measured: round(peak(reads.slice(WINDOW_SECONDS + 1)) / mean(reads.slice(3600))),
      unit: '× the steady mean',
      atMost: 3,
    },
    {
      what: 'containers start again, tokens on the volume: peak from the first second on',
      measured: round(peak(anew) / mean(logins.slice(3600))),
      unit: '× the steady mean',
      atMost: 3,
    },
    {
      what: 'logins of one agent in the second hour',
      measured: round((mean(logins.slice(3600)) * 3600) / AGENTS),
      unit: '/h',
    },
    {
      what: 'reads of one agent in the second hour',
      measured: round((mean(reads.slice(3600)) * 3600) / AGENTS),
      unit: '/h',
    },
    {
      what: 'connections of one agent in the second hour',
      measured: round((mean(per(fleet, 'handshakes').slice(3600)) * 3600) / AGENTS),
      unit: '/h',
    },
  ]
}

/** The same at a Conjur of the usual size, whose database goes away for ten minutes; then on for hours. */
export async function herdOutage(): Promise<readonly Row[]> {
  const traits = scaledFor(AGENTS)
  const [from, until] = [2 * HOUR, 2 * HOUR + 10 * MINUTE]
  const fleet = await runFleet({
    agents: AGENTS,
    startWithinMs: 1000,
    untilMs: HOURS * HOUR,
    refreshIntervalMs: REFRESH_MS,
    traits,
    servers: [{ outages: [{ kind: 'database', from, until }] }],
  })
  const logins = per(fleet, 'logins')
  const served = per(fleet, 'loginsServed')
  const reads = per(fleet, 'reads')
  const up = fleet.published.map(([first = Infinity]) => first)
  const back = fleet.published.map((times) => (times.find((at) => at > until) ?? Infinity) - until)
  const steady = mean(logins.slice(3600, from / 1000))
  const best = leastTimeMs(AGENTS, traits)
  const minutes = (first: number, last: number) => [first * 60, last * 60] as const
  draw('start', `${AGENTS} pods start in one second at the usual Conjur`, [
    { name: 'logins asked/s', points: everyMinute(logins.slice(...minutes(0, 20)), 1 / 6) },
    { name: 'logins given/s', points: everyMinute(served.slice(...minutes(0, 20)), 1 / 6) },
  ])
  draw('outage', 'The database is away from minute 10 to 20', [
    { name: 'logins asked/s', points: everyMinute(logins.slice(...minutes(110, 150)), 1 / 6) },
    { name: 'logins given/s', points: everyMinute(served.slice(...minutes(110, 150)), 1 / 6) },
    {
      name: 'per cent without a live token',
      points: fleet.tokenless
        .filter(({ at }) => at >= 110 * MINUTE && at <= 150 * MINUTE)
        .map(({ at, count }) => [at / MINUTE - 110, (100 * count) / AGENTS] as const),
    },
  ])
  draw('last-hour', `Hour ${HOURS}: nothing is left of the common start and the outage`, [
    { name: 'logins/s', points: everyMinute(logins.slice(-3600), 1 / 6) },
    { name: 'reads/s', points: everyMinute(reads.slice(-3600), 1 / 6) },
  ])
  return [
    {
      what: `usual Conjur, ${AGENTS} start in one second: all up after`,
      measured: seconds(Math.max(...up)),
      unit: 's',
    },
    { what: 'it needs at best', measured: seconds(best), unit: 's' },
    {
      what: 'peak of logins given',
      measured: round(peak(served) / steady),
      unit: '× the steady mean',
      atMost: 3,
    },
    {
      what: 'most requests in a second, the first',
      measured: largest(windows(logins, WINDOW_SECONDS)) / WINDOW_SECONDS,
      unit: '/s',
    },
    {
      what: 'database away for 10 min: half are back after',
      measured: seconds(percentile(back, 0.5)),
      unit: 's',
    },
    { what: '99 of 100 are back after', measured: seconds(percentile(back, 0.99)), unit: 's' },
    { what: 'all are back after', measured: seconds(Math.max(...back)), unit: 's' },
    {
      what: 'of what it needs at best',
      measured: round(Math.max(...back) / best),
      unit: '×',
      atMost: 2.5,
    },
    {
      what: 'requests of one agent meanwhile',
      measured: round(mean(both(fleet).slice(from / 1000 + 120, until / 1000)) * (60 / AGENTS)),
      unit: '/min',
    },
    {
      what: 'most logins asked for in a second meanwhile',
      measured: Math.round(peak(logins.slice(from / 1000, until / 1000))),
      unit: '/s',
    },
    {
      what: `wave of logins in hour ${HOURS}`,
      measured: round(waveAt(logins.slice(-3600), 348)),
      unit: 'of the mean',
      atMost: 0.1,
    },
    {
      what: `wave of reads in hour ${HOURS}`,
      measured: round(waveAt(reads.slice(-3600), 292)),
      unit: 'of the mean',
      atMost: 0.1,
    },
    {
      what: `variance of logins a second in hour ${HOURS} (1 = independent)`,
      measured: round(dispersion(logins.slice(-3600))),
      unit: '× the mean',
    },
  ]
}

/** Two servers, of which the first is gone for half an hour. */
export async function herdFollowers(): Promise<readonly Row[]> {
  const [from, until] = [30 * MINUTE, 60 * MINUTE]
  const fleet = await runFleet({
    agents: AGENTS,
    startWithinMs: 10 * MINUTE,
    untilMs: 90 * MINUTE,
    refreshIntervalMs: REFRESH_MS,
    traits: scaledFor(AGENTS),
    servers: [{ outages: [{ kind: 'gone', from, until }] }, {}],
  })
  const [first = [], second = []] = fleet.servers.map((server) =>
    server.map(({ logins }) => logins),
  )
  const steady = mean(first.slice(900, from / 1000))
  draw('followers', 'The first of two servers is gone from minute 30 to 60', [
    { name: 'logins/s at the first', points: everyMinute(first, 0.5) },
    { name: 'logins/s at the second', points: everyMinute(second, 0.5) },
  ])
  const lost = fleet.tokenless.filter(({ at, count }) => at > 15 * MINUTE && count > 0)
  return [
    {
      what: 'first of two servers gone: peak of logins at the second',
      measured: round(peak(second) / steady),
      unit: '× the steady mean',
      atMost: 3,
    },
    {
      what: 'peak at the first when it is back',
      measured: round(peak(first.slice(until / 1000)) / steady),
      unit: '× the steady mean',
      atMost: 3,
    },
    {
      what: 'moments at which an agent was without a live token',
      measured: lost.length,
      unit: '',
      atMost: 0,
    },
  ]
}

/** The same agents asleep between passes: what they ask, and whether waking keeps them apart. */
export async function herdHibernate(): Promise<readonly Row[]> {
  const fleet = await runFleet({
    agents: AGENTS,
    startWithinMs: 1000,
    untilMs: 3 * HOUR,
    refreshIntervalMs: REFRESH_MS,
    traits: tirelessConjur,
    idle: 'hibernate',
  })
  const [logins, reads, handshakes] = [
    per(fleet, 'logins'),
    per(fleet, 'reads'),
    per(fleet, 'handshakes'),
  ]
  const perHour = (counts: readonly number[]): number =>
    round((mean(counts.slice(-3600)) * 3600) / AGENTS)
  const steady = mean(logins.slice(-3600))
  return [
    {
      what: 'start in one second: peak of logins in the windows after it',
      measured: round(peak(logins.slice(WINDOW_SECONDS + 1)) / steady),
      unit: '× the steady mean',
      atMost: 3,
    },
    {
      what: 'the same of reads',
      measured: round(peak(reads.slice(WINDOW_SECONDS + 1)) / mean(reads.slice(-3600))),
      unit: '× the steady mean',
      atMost: 3,
    },
    { what: 'logins of one agent in the third hour', measured: perHour(logins), unit: '/h' },
    { what: 'reads of one agent', measured: perHour(reads), unit: '/h' },
    { what: 'connections of one agent', measured: perHour(handshakes), unit: '/h' },
  ]
}

function per(fleet: Fleet, what: keyof Second): readonly number[] {
  return (fleet.servers[0] ?? []).map((second) => second[what])
}

function both(fleet: Fleet): readonly number[] {
  return (fleet.servers[0] ?? []).map(({ logins, reads }) => logins + reads)
}

function peak(counts: readonly number[]): number {
  return largest(windows(counts, WINDOW_SECONDS)) / WINDOW_SECONDS
}

function dispersion(counts: readonly number[]): number {
  const middle = mean(counts)
  return mean(counts.map((count) => (count - middle) ** 2)) / middle
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length * share)] ?? 0
}

/** Means over a part of each minute, against minutes. */
function everyMinute(counts: readonly number[], share: number): Curve['points'] {
  const length = Math.round(60 * share)
  return windows(counts, length).map((sum, index) => [(index + 1) * share, sum / length] as const)
}

function draw(name: string, title: string, curves: readonly Curve[]): void {
  if (AGENTS < 10_000) return
  const file = new URL(`../docs/scale/herd-${name}.svg`, import.meta.url)
  writeFileSync(file, plot({ title: `${title} (simulated)`, x: 'minutes', curves }))
}

function seconds(ms: number): number {
  return Math.round(ms / 1000)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
