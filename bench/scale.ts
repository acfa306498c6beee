import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Secret } from '../src/core/secret.ts'
import { secretFiles } from '../src/outputs/secret-files.ts'
import type { SecretGroup } from '../src/outputs/secret-group.ts'
import { openPlace, type Place } from './place.ts'
import { MAIN } from './program.ts'
import { median, type Row } from './runner.ts'

const SIZES = [1000, 2000, 4000, 8000, 16_000]
const GROUPS = 200
/** A step that is linear costs about as much per value at the largest size, caches apart; a quadratic one sixteen times as much. */
const FLAT = 3

type Shape = 'one yaml file' | 'one template' | 'groups of 50' | 'plain files'
const SHAPES: readonly Shape[] = ['one yaml file', 'one template', 'groups of 50', 'plain files']

/** What many values, many groups and large values cost one agent: per value, so that a step that is not linear shows. */
export async function scale(): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const shape of SHAPES) rows.push(...(await perValue(shape)))
  rows.push(...(await whole()), ...(await large()))
  return rows
}

/** Rendering and publishing alone, in this process: µs per value at each size. */
async function perValue(shape: Shape): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const what of ['first', 'unchanged', 'one changed'] as const) {
    const each: number[] = []
    for (const count of SIZES) each.push((1000 * (await published(shape, { what, count }))) / count)
    const told = each.map((us) => us.toFixed(1)).join(' / ')
    rows.push({
      what: `${shape}, ${what} publish of ${SIZES.join(' / ')}: ${told} µs a value; last over first`,
      measured: round((each.at(-1) ?? 0) / (each[0] ?? 1)),
      unit: '×',
      atMost: FLAT,
    })
  }
  return rows
}

/** Milliseconds of one publish, the best of several: whatever else the machine does only adds. */
async function published(
  shape: Shape,
  { what, count }: { readonly what: 'first' | 'unchanged' | 'one changed'; readonly count: number },
): Promise<number> {
  const { signal } = new AbortController()
  const values = new Map(
    Array.from({ length: count }, (_, at) => [
      `apps/v${at}`,
      new Secret(`value-of-${at}-0123456789abcdef`),
    ]),
  )
  const snapshot = { accessToken: new Secret('{}'), values, unknown: new Set<string>() }
  const times: number[] = []
  for (let round = 0; round < 7; round++) {
    const directory = inMemory()
    const output = secretFiles({
      groups: groupsOf(shape, count),
      directory,
      publish: 'set',
      requireTmpfs: 'false',
      formatCompatibility: 'safe',
    })
    if (what !== 'first') await output.publish(snapshot, signal)
    if (what === 'one changed') values.set('apps/v0', new Secret(`changed ${round}`))
    const from = performance.now()
    // The pause for the readers of a superseded set is no work: an abort cuts it short.
    await output.publish(snapshot, what === 'one changed' ? soon() : signal)
    times.push(performance.now() - from)
    rmSync(directory, { recursive: true, force: true })
  }
  return Math.min(...times)
}

function soon(): AbortSignal {
  const end = new AbortController()
  setImmediate(() => end.abort(new Error('measured')))
  return end.signal
}

function groupsOf(shape: Shape, count: number): readonly SecretGroup[] {
  const size = shape === 'groups of 50' ? 50 : count
  return Array.from({ length: Math.ceil(count / size) }, (_, group): SecretGroup => {
    const entries = Array.from({ length: Math.min(size, count - group * size) }, (_, at) => ({
      alias: `v${group * size + at}`,
      variableId: `apps/v${group * size + at}`,
      contentType: 'text' as const,
      required: true,
    }))
    const named = { name: `g${group}`, entries, mode: 0o644 }
    if (shape === 'plain files') return { ...named, path: '', format: 'plain' }
    if (shape === 'one yaml file') return { ...named, path: 'all.yaml', format: 'yaml' }
    if (shape === 'groups of 50') return { ...named, path: `g${group}.json`, format: 'json' }
    const text = entries.map(({ alias }) => `${alias}={{ secret "${alias}" }}`).join('\n')
    return { ...named, path: 'all.conf', format: 'template', template: { text } }
  })
}

/** The built program from exec to exit, its variables in 200 groups. */
async function whole(): Promise<readonly Row[]> {
  const rows: Row[] = []
  const times: number[] = []
  const sizes = [1250, 2500, 5000, 10_000]
  for (const count of sizes) {
    const place = await openPlace(count)
    try {
      const environment = inGroups(place)
      const runs: Run[] = []
      for (let round = 0; round < 5; round++) {
        place.fresh('one file')
        runs.push(await run(environment))
      }
      times.push(Math.min(...runs.map(({ ms }) => ms)))
      if (count !== sizes.at(-1)) continue
      rows.push({
        what: `${count} variables in ${GROUPS} groups: exec → all published`,
        measured: Math.round(times.at(-1) ?? 0),
        unit: 'ms',
      })
      rows.push({
        what: 'its largest resident memory',
        measured: Math.round(median(runs.map(({ peakMiB }) => peakMiB))),
        unit: 'MiB',
      })
    } finally {
      await place.close()
    }
  }
  const told = times.map((ms) => ms.toFixed(0)).join(' / ')
  rows.push({
    what: `${sizes.join(' / ')} variables in ${GROUPS} groups: ${told} ms; the last over the one before`,
    measured: round((times.at(-1) ?? 0) / (times.at(-2) ?? 1)),
    unit: '×',
    // Twice the variables, and a start that costs the same: a quadratic step would make it four.
    atMost: 2,
  })
  return rows
}

/** Values of 5 MiB, through the built program. */
async function large(): Promise<readonly Row[]> {
  const rows: Row[] = []
  const counts = [4, 8, 16]
  const mib = 5
  const times: number[] = []
  for (const count of counts) {
    const place = await openPlace(count, mib * 1024 * 1024)
    try {
      const runs: Run[] = []
      for (let round = 0; round < 5; round++) runs.push(await run(place.fresh('many files')))
      times.push(Math.min(...runs.map(({ ms }) => ms)))
      rows.push({
        what: `${count} ${count === 1 ? 'value' : 'values'} of ${mib} MiB: exec → all published`,
        measured: Math.round(times.at(-1) ?? 0),
        unit: 'ms',
      })
      rows.push({
        what: 'its largest resident memory',
        measured: Math.round(median(runs.map(({ peakMiB }) => peakMiB))),
        unit: 'MiB',
      })
    } finally {
      await place.close()
    }
  }
  rows.push({
    what: `${counts[1]} of them over ${counts[0]}; ${counts[2]} are more than one reply may hold`,
    measured: round((times[1] ?? 0) / (times[0] ?? 1)),
    unit: '×',
    atMost: 2.5,
  })
  return rows
}

/** The environment of an agent whose variables are parted into groups of the same size. */
function inGroups(place: Place): Readonly<Record<string, string>> {
  const environment = place.fresh('one file')
  const file = join(dirname(environment['CONJUR_ANNOTATIONS_FILE'] ?? ''), 'in groups')
  const size = Math.ceil(place.count / GROUPS)
  const lines = Array.from({ length: GROUPS }, (_, group) => {
    const list = Array.from({ length: Math.min(size, place.count - group * size) }, (_, at) => {
      const index = group * size + at
      return `- v${index}: apps/v${index}`
    })
    return list.length === 0
      ? ''
      : `conjur.org/conjur-secrets.g${group}="${list.join('\\n')}"\nconjur.org/secret-file-format.g${group}="json"\n`
  })
  writeFileSync(file, lines.join(''))
  return { ...environment, CONJUR_ANNOTATIONS_FILE: file }
}

interface Run {
  readonly ms: number
  readonly peakMiB: number
}

async function run(environment: Readonly<Record<string, string>>): Promise<Run> {
  // The program says its peak itself, since a process that is gone has no /proc.
  const marks = new URL('peak.cjs', import.meta.url).pathname
  const from = performance.now()
  const child = spawn(process.execPath, ['--require', marks, MAIN, 'init'], {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  let told = ''
  let log = ''
  child.stdio[3]?.on('data', (chunk: Buffer) => (told += chunk.toString('utf8')))
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString('utf8')))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`init ended with ${code}: ${log.slice(0, 2000)}`)
  return { ms: performance.now() - from, peakMiB: Number(told) / 1024 }
}

function inMemory(): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'agent-scale-'))
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
