import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openPlace, type Layout, type Place } from './place.ts'
import { EXECUTABLE, MAIN, other, WITHOUT_COMPILERS } from './program.ts'
import { median, type Row } from './runner.ts'

const NODE = process.execPath

/** Most that exec → ready may take, as a multiple of `node -e 0`. */
const BUDGETS: Readonly<Record<string, number>> = {
  'agent 1 one file': 2.4,
  'agent 1000 one file': 2.6,
  'agent 1000 many files': 3,
  'executable 1 one file': 1,
  'executable 1000 one file': 1.3,
  'executable 1000 many files': 2.2,
}

/** exec → every value on the volume, beside `node -e 0`, a bare script of the same job, and any command given. */
export async function start(compared: string | undefined): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const count of [1, 10, 100, 1000, 10_000]) {
    const place = await openPlace(count)
    try {
      for (const layout of ['one file', 'many files'] as const) {
        rows.push(...(await compare({ place, layout, compared })))
      }
      rows.push(...(await perPass(place)))
      if (count === 1 || count === 1000) rows.push(...(await breakdown(place)))
      for (const awayMs of count === 100 ? [0, 5, 20] : []) {
        rows.push(...(await compare({ place, layout: 'one file', compared, awayMs })))
      }
    } finally {
      await place.close()
    }
  }
  return rows
}

interface Compared {
  readonly place: Place
  readonly layout: Layout
  readonly compared: string | undefined
  /** How far Conjur is away, in milliseconds; absent: nothing stands before it. */
  readonly awayMs?: number
}

/** Runs all in turn, so that a machine that grows slow grows slow for each of them. */
async function compare({ place, layout, compared, awayMs }: Compared): Promise<readonly Row[]> {
  const way = awayMs === undefined ? 'straight' : 'counted'
  place.delay(awayMs ?? 0)
  const commands: Record<string, readonly string[]> = {
    nothing: [NODE, '-e', '0'],
    bare: [NODE, join(import.meta.dirname, 'bare.mjs')],
    // As the image starts it.
    agent: [NODE, '--disable-sigusr1', MAIN, 'init'],
    ...(existsSync(EXECUTABLE)
      ? {
          // As its unit and its image start it (docs/executable.md).
          executable: [EXECUTABLE, 'init'],
          'executable with compilers': [EXECUTABLE, 'init'],
        }
      : {}),
  }
  const fault = compared === undefined ? undefined : await faultOf(compared, { place, layout })
  if (compared !== undefined && fault === undefined) commands['compared'] = other(compared)
  const times = new Map<string, number[]>(Object.keys(commands).map((name) => [name, []]))
  const runs = place.count > 1000 || awayMs !== undefined ? 7 : 21
  for (let round = -1; round < runs; round++) {
    for (const [name, command] of Object.entries(commands)) {
      const extra = name === 'executable' ? WITHOUT_COMPILERS : {}
      const took = await timed(command, { ...place.fresh(layout, way), ...extra })
      if (round >= 0) times.get(name)?.push(took)
    }
  }
  const nothing = times.get('nothing') ?? []
  const bare = times.get('bare') ?? []
  const away = awayMs === undefined ? '' : `, ${awayMs} ms away`
  const what = `${place.count} ${place.count === 1 ? 'value' : 'values'}, ${layout}${away}`
  const rows = Object.keys(commands)
    .filter((name) => name !== 'nothing')
    .map((name): Row => {
      const took = times.get(name) ?? []
      const ratios = took.map((ms, round) => ms / (nothing[round] ?? Number.NaN))
      const budget = BUDGETS[`${name} ${place.count} ${layout}${away}`]
      const ofBare = median(took.map((ms, round) => ms / (bare[round] ?? Number.NaN))).toFixed(2)
      const ms = `${median(took).toFixed(0)} ms, ${spread(took)}, ${ofBare} × bare`
      return {
        what: `${what}: ${name} (${ms})`,
        measured: Number(median(ratios).toFixed(2)),
        unit: '× `node -e 0`',
        ...(budget === undefined ? {} : { atMost: budget }),
      }
    })
  return fault === undefined ? rows : [...rows, { what: `${what}: compared`, ...fault }]
}

/** What keeps another program from being measured: it fails, or publishes less than it was asked for. */
async function faultOf(
  compared: string,
  { place, layout }: Omit<Compared, 'compared'>,
): Promise<Omit<Row, 'what'> | undefined> {
  const code = await ended(other(compared), place.fresh(layout, 'straight'))
  if (code !== 0) return { measured: code, unit: 'is its exit code' }
  const published = place.published()
  return published < place.count ? { measured: published, unit: 'values published' } : undefined
}

function spread(times: readonly number[]): string {
  return `${Math.min(...times).toFixed(0)}–${Math.max(...times).toFixed(0)}`
}

/** Milliseconds from exec to a good end. */
async function timed(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const from = performance.now()
  const code = await ended(command, environment)
  const took = performance.now() - from
  if (code !== 0) throw new Error(`${command.join(' ')} ends with ${code}`)
  return took
}

/** The exit code of a command; -1 where a signal ended it. */
async function ended(
  [file = '', ...argv]: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  // As in a container: standard error is a pipe, and somebody reads it.
  const stdio = ['ignore', 'ignore', 'pipe'] as const
  const child = spawn(file, argv, { env: { ...environment }, stdio: [...stdio] })
  child.stderr?.resume()
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? -1
}

async function perPass(place: Place): Promise<readonly Row[]> {
  const before = await place.requests()
  const connections = place.connections()
  await timed([NODE, MAIN, 'init'], place.fresh('one file'))
  const after = await place.requests()
  const grown = (kind: string): number => (after[kind] ?? 0) - (before[kind] ?? 0)
  const what = `${place.count} values, first pass`
  return [
    { what: `${what}: logins`, measured: grown('authenticate'), unit: '', atMost: 1 },
    { what: `${what}: batches`, measured: grown('batch'), unit: '' },
    {
      what: `${what}: connections`,
      measured: place.connections() - connections,
      unit: '',
      atMost: 1,
    },
  ]
}

const STAGES = ['engine', 'load', 'tls', 'login', 'batches', 'render', 'publish'] as const

async function breakdown(place: Place): Promise<readonly Row[]> {
  const stages = new Map<string, number[]>(STAGES.map((stage) => [stage, []]))
  for (let round = 0; round < 15; round++) {
    const marks = await marked(place)
    let last = 0
    for (const stage of STAGES) {
      const at = marks[stage] ?? last
      stages.get(stage)?.push(at - last)
      last = at
    }
  }
  return STAGES.map((stage) => ({
    what: `${place.count} values, one file, of which ${stage}`,
    measured: Number(median(stages.get(stage) ?? []).toFixed(1)),
    unit: 'ms',
  }))
}

async function marked(place: Place): Promise<Readonly<Record<string, number>>> {
  const marks = join(import.meta.dirname, 'marks.cjs')
  const child = spawn(NODE, ['--require', marks, MAIN, 'init'], {
    env: { ...place.fresh('one file', 'straight') },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more))
  await once(child, 'close')
  return JSON.parse(text) as Record<string, number>
}
