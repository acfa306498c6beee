import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import type { FaultKind } from '../../src/devserver/faults.ts'
import { record, scaled, stopwatch } from '../support/attack.ts'
import { freePort } from '../support/free-port.ts'
import { plot } from '../support/plot.ts'
import { countBelow, factsOf, median, slope, type ProcessFacts } from '../support/process-facts.ts'
import { workbench, type Workbench } from '../support/workbench.ts'

/** How long it goes on; `CONJUR_AGENT_SOAK_MINUTES` gives the long profile another length. */
const MINUTES = scaled(0.25, Number(process.env['CONJUR_AGENT_SOAK_MINUTES'] ?? 60))
/** What the engine allocates before it has compiled what it will need is no growth. */
const WARM_UP = 0.2
/** Growth that would matter to a pod that lives for a month is far above this. */
const GROWTH_MIB_PER_HOUR = 4

const FAULTS: readonly FaultKind[] = [
  'unavailable',
  'error',
  'outage',
  'drop',
  'slow',
  'unauthenticated',
]

interface Sample extends ProcessFacts {
  readonly minute: number
  readonly files: number
}

let bench: Workbench

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

test(
  `a sidecar that refreshes every second for ${MINUTES} minutes, with faults, does not grow`,
  async () => {
    bench = await workbench({ tokenTtlSeconds: 20 })
    const status = join(bench.directory, 'status')
    mkdirSync(status)
    const port = await freePort()
    const agent = bench.start(['sidecar'], {
      CONJUR_SECRETS_REFRESH_INTERVAL: '1s',
      CONJUR_STATUS_DIRECTORY: status,
      CONJUR_STATUS_LISTEN: `127.0.0.1:${port}`,
      RETRY_INTERVAL_SEC: '1',
    })
    await agent.line(({ code }) => code === 'PUBLISHED')
    const took = stopwatch()
    const samples: Sample[] = []
    const tried = { seconds: 0, faults: 0, rotations: 0, 'platform tokens': 0, scrapes: 0 }
    const generations = new Set<string>()

    // A second a round: this drives a clock of the outside world, it awaits nothing.
    for (let second = 1; second <= MINUTES * 60; second++) {
      await pause(1000)
      tried.seconds = second
      bench.conjur.setValue('apps/db-password', `generation-${second}`)
      tried.rotations++
      if (second % 7 === 0) {
        const kind = FAULTS[(second / 7) % FAULTS.length] ?? 'error'
        bench.conjur.faults.add({ kind, forMs: 1000 + 500 * (second % 5), delayMs: 1500 })
        tried.faults++
      }
      if (second % 30 === 0) {
        await bench.projectToken({ jti: String(second) })
        tried['platform tokens']++
      }
      if (second % 3 === 0) {
        const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
        expect(metrics).toContain('conjur_agent_refresh_total')
        tried.scrapes++
      }
      if (second % 20 === 0) agent.kill('SIGHUP')
      if (second % 5 === 0) {
        const minute = took() / 60
        samples.push({ minute, files: countBelow(bench.directory), ...factsOf(agent.pid) })
        generations.add(passwordIn(bench.secrets))
      }
    }
    const seconds = took()
    agent.kill('SIGTERM')
    const { code } = await agent.ended

    const settled = samples.filter(({ minute }) => minute > MINUTES * WARM_UP)
    const half = Math.floor(settled.length / 2)
    const [early, late] = [settled.slice(0, half), settled.slice(half)]
    const grown = (of: (sample: Sample) => number): number =>
      median(late.map((sample) => of(sample))) - median(early.map((sample) => of(sample)))
    const perHour = slope(settled.map(({ minute, anonymousMiB }) => [minute / 60, anonymousMiB]))
    record('soak', {
      tried,
      lost: {
        'handles more in the second half (median)': grown(({ handles }) => handles),
        'threads more': grown(({ threads }) => threads),
        'files more': grown(({ files }) => files),
      },
      seen: {
        'anonymous memory, median of the second half, MiB': round(
          median(late.map(({ anonymousMiB }) => anonymousMiB)),
        ),
        'of the first half, MiB': round(median(early.map(({ anonymousMiB }) => anonymousMiB))),
        'slope, MiB per hour': round(perHour),
        'handles, at most': Math.max(...samples.map(({ handles }) => handles)),
        'files on the volumes, at most': Math.max(...samples.map(({ files }) => files)),
      },
      seconds,
    })
    if (MINUTES >= 1) writePlot(samples)

    expect(code).toBe(0)
    expect(generations.size).toBeGreaterThan(samples.length / 2)
    // A look may fall into a pass, when two sets stand side by side: few looks show no trend.
    expect(Math.max(...samples.map(({ handles }) => handles))).toBeLessThan(40)
    expect(Math.max(...samples.map(({ files }) => files))).toBeLessThan(30)
    if (MINUTES < 1) return
    expect(grown(({ handles }) => handles)).toBeLessThanOrEqual(1)
    expect(grown(({ threads }) => threads)).toBeLessThanOrEqual(0)
    expect(grown(({ files }) => files)).toBeLessThanOrEqual(0)
    if (MINUTES >= 20) expect(perHour).toBeLessThan(GROWTH_MIB_PER_HOUR)
  },
  MINUTES * 60_000 * 1.5 + 60_000,
)

function passwordIn(directory: string): string {
  const { password } = JSON.parse(readFileSync(join(directory, 'db.json'), 'utf8')) as {
    password: string
  }
  return password
}

function round(number: number): number {
  return Math.round(number * 10) / 10
}

function writePlot(samples: readonly Sample[]): void {
  const svg = plot({
    title: 'A sidecar that refreshes every second, with faults',
    x: 'minutes',
    curves: [
      { name: 'anonymous memory (MiB)', points: samples.map((s) => [s.minute, s.anonymousMiB]) },
      { name: 'open handles', points: samples.map((s) => [s.minute, s.handles]) },
      { name: 'files on the volumes', points: samples.map((s) => [s.minute, s.files]) },
    ],
  })
  const directory = join(import.meta.dirname, '../../docs/reliability')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'soak.svg'), svg)
}
