import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'

/** Whether the suites run with the numbers of `npm run test:soak` instead of those of `npm test`. */
const isLong = process.env['CONJUR_AGENT_ATTACK'] === 'long'

/** A suite's number: the first in `npm test`, the second in the long profile. */
export function scaled(short: number, long: number): number {
  return isLong ? long : short
}

/** Where the long profile leaves what it measured; `.config/reliability.ts` makes the page of it. */
const RESULTS = join(import.meta.dirname, '../../docs/reliability/results.json')

/** What one suite tried and what came of it, as the page shows it. */
export interface Result {
  /** What was done to the program, and how often. */
  readonly tried: Readonly<Record<string, number>>
  /** What must be nought. */
  readonly lost: Readonly<Record<string, number>>
  /** Measured on the way. */
  readonly seen?: Readonly<Record<string, number | string>>
  readonly seconds: number
}

/** Keeps a suite's result; in the short profile it does nothing. */
export function record(suite: string, result: Result): void {
  if (!isLong) return
  const before: unknown = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {}
  const machine = `${cpus().length} × ${(cpus()[0]?.model ?? 'unknown').trim()}, Node ${process.version}`
  const date = new Date().toISOString().slice(0, 10)
  const entry = { ...result, seconds: Math.round(result.seconds), machine, date }
  const after = { ...(before as Record<string, unknown>), [suite]: entry }
  mkdirSync(dirname(RESULTS), { recursive: true })
  writeFileSync(RESULTS, `${JSON.stringify(after, null, 2)}\n`)
}

/** Seconds since then. */
export function stopwatch(): () => number {
  const started = performance.now()
  return () => (performance.now() - started) / 1000
}
