import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { openPlace, type Place } from './place.ts'
import { EXECUTABLE, MAIN, other, WITHOUT_COMPILERS } from './program.ts'
import { besideEmptyNode, type Row } from './runner.ts'

const PASSES = 100
const TICKS_PER_SECOND = 100

/** What a sidecar of 100 values costs between passes, beside a Node that does nothing: as the image starts it, and without its variables. */
export async function rest(compared: string | undefined): Promise<readonly Row[]> {
  const asInTheImage = await between({ MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '65536' })
  const plain = await between({})
  return [
    ...asInTheImage,
    ...plain
      .filter(({ what }) => what.includes('above'))
      .map(({ what, measured, unit }) => ({
        what: `without the image’s malloc settings: ${what}`,
        measured,
        unit,
      })),
    ...(existsSync(EXECUTABLE) ? await restOfExecutable() : []),
    ...(compared === undefined ? [] : await restOfCompared(compared)),
  ]
}

/** Another program as a sidecar, told how often to refresh by the setting that ours has. */
async function restOfCompared(compared: string): Promise<readonly Row[]> {
  const first = await refreshing(compared, { interval: '1h', passes: 1 })
  const later = await refreshing(compared, { interval: '1s', passes: 1 + PASSES })
  if (first === undefined || later === undefined) {
    return [{ what: 'compared: sidecars that stay until they are ended', measured: 0, unit: '' }]
  }
  const each = (what: string, measured: number, unit: string): Row => ({
    what: `compared: ${what}`,
    measured: round(measured / PASSES),
    unit,
  })
  return [
    ...rows('compared: sidecar after the first pass', first.memory),
    ...rows(`compared: sidecar after ${PASSES} refreshes`, later.memory),
    each('CPU of an unchanged refresh of 100 values', later.cpuMs - first.cpuMs, 'ms'),
    each('requests of a refresh', later.requests - first.requests, ''),
    each('new connections of a refresh', later.connections - first.connections, ''),
  ]
}

interface Refreshing {
  readonly interval: string
  readonly passes: number
}

interface Refreshed {
  readonly memory: Memory
  readonly cpuMs: number
  readonly requests: number
  readonly connections: number
}

async function refreshing(
  compared: string,
  { interval, passes }: Refreshing,
): Promise<Refreshed | undefined> {
  const [place, secondPlace] = await Promise.all([openPlace(100), openPlace(1)])
  const [file, ...argv] = other(compared)
  const sidecar = (at: Place, every: string): ChildProcess =>
    spawn(file, argv, {
      env: {
        ...at.fresh('one file'),
        CONTAINER_MODE: 'sidecar',
        CONJUR_SECRETS_REFRESH_INTERVAL: every,
      },
      stdio: 'ignore',
    })
  const second = sidecar(secondPlace, '1h')
  const peer = sidecar(place, interval)
  try {
    while (((await place.requests())['batch'] ?? 0) < passes) {
      if (hasEnded(peer)) return undefined
      await setTimeout(50)
    }
    // What refreshes each second has no longer rest than this.
    await setTimeout(interval === '1s' ? 500 : 3000)
    const requests = Object.values(await place.requests()).reduce((sum, count) => sum + count, 0)
    return { memory: memory(peer), cpuMs: cpuMs(peer), requests, connections: place.connections() }
  } finally {
    for (const child of [second, peer].filter((each) => !hasEnded(each))) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await Promise.all([place.close(), secondPlace.close()])
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** The executable as its unit starts it, held to what it has of its own: no engine is there to share. */
async function restOfExecutable(): Promise<readonly Row[]> {
  const measured = await between(WITHOUT_COMPILERS, [EXECUTABLE])
  const budgets: Readonly<Record<string, number>> = {
    'sidecar after the first pass: anonymous': 8,
    [`sidecar after ${PASSES} refreshes: anonymous`]: 10,
  }
  return measured
    .filter(({ what }) => /^sidecar .*: (?:anonymous|USS)$|^CPU/.test(what))
    .map(({ what, measured, unit }): Row => {
      const atMost = budgets[what]
      return {
        what: `executable: ${what}`,
        measured,
        unit,
        ...(atMost === undefined ? {} : { atMost }),
      }
    })
}

async function between(
  extra: Readonly<Record<string, string>>,
  program: readonly [string, ...string[]] = [process.execPath, MAIN],
): Promise<readonly Row[]> {
  const [place, secondPlace] = await Promise.all([openPlace(100), openPlace(1)])
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e9)'], { stdio: 'ignore' })
  const [file, ...script] = program
  const sidecar = (at: Place): ChildProcess =>
    spawn(file, [...script, 'sidecar'], {
      env: { ...at.fresh('one file'), ...extra, CONJUR_SECRETS_REFRESH_INTERVAL: '1h' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  // What one holds for itself shows only where a second one shares the program's pages.
  const second = sidecar(secondPlace)
  const agent = sidecar(place)
  try {
    await published(agent)
    await setTimeout(3000)
    const idle = memory(bare)
    const first = memory(agent)
    const connections = place.connections()
    const logins = (await place.requests())['authenticate'] ?? 0
    const before = cpuMs(agent)
    for (let pass = 0; pass < PASSES; pass++) await refresh(agent, place)
    const cpu = (cpuMs(agent) - before) / PASSES
    await setTimeout(3000)
    const later = memory(agent)
    return [
      ...rows('bare idle Node', idle),
      ...rows('sidecar after the first pass', first),
      {
        what: 'its anonymous memory above the bare one’s, after the first pass',
        measured: round(first.anonymous - idle.anonymous),
        unit: 'MiB',
        atMost: 8,
      },
      ...rows(`sidecar after ${PASSES} refreshes`, later),
      {
        what: `its anonymous memory above the bare one’s, after ${PASSES} refreshes`,
        measured: round(later.anonymous - idle.anonymous),
        unit: 'MiB',
        atMost: 10,
      },
      {
        what: `CPU of an unchanged refresh of 100 values (${besideEmptyNode(cpu)})`,
        measured: round(cpu),
        unit: 'ms',
        atMost: 5,
      },
      {
        what: `new connections in ${PASSES} refreshes`,
        measured: place.connections() - connections,
        unit: '',
        atMost: 0,
      },
      {
        what: `logins in ${PASSES} refreshes`,
        measured: ((await place.requests())['authenticate'] ?? 0) - logins,
        unit: '',
        atMost: 0,
      },
    ]
  } finally {
    for (const child of [bare, second, agent]) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await Promise.all([place.close(), secondPlace.close()])
  }
}

const SLEEPERS = 10
const WAKINGS = 20

/**
 * What a sidecar of 100 values leaves between passes where it hibernates: one, and one of many that
 * share the shell's code. Then what a waking costs that finds nothing changed.
 */
export async function hibernate(): Promise<readonly Row[]> {
  const place = await openPlace(100)
  const sleepers: ChildProcess[] = []
  const sleeper = async (): Promise<ChildProcess> => {
    const environment = { ...place.fresh('one file'), CONJUR_SECRETS_REFRESH_INTERVAL: '1h' }
    const agent = spawn(process.execPath, [MAIN, 'sidecar'], {
      env: { ...environment, CONJUR_IDLE: 'hibernate' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    sleepers.push(agent)
    await asleep(agent)
    return agent
  }
  try {
    const first = await sleeper()
    await setTimeout(1000)
    const alone = sum(processesOf(first).map((pid) => memory({ pid })))
    const before = cpuOfChildrenMs(first)
    for (let waking = 0; waking < WAKINGS; waking++) {
      const batches = (await place.requests())['batch'] ?? 0
      first.kill('SIGHUP')
      while (((await place.requests())['batch'] ?? 0) === batches) await setTimeout(5)
      await asleep(first)
    }
    const cpu = (cpuOfChildrenMs(first) - before) / WAKINGS
    while (sleepers.length < SLEEPERS) await sleeper()
    await setTimeout(1000)
    const each = sum(sleepers.flatMap((agent) => processesOf(agent).map((pid) => memory({ pid }))))
    return [
      {
        what: 'asleep: USS of all its processes',
        measured: round(alone.uss),
        unit: 'MiB',
        atMost: 1,
      },
      { what: 'asleep: PSS of all its processes', measured: round(alone.pss), unit: 'MiB' },
      { what: 'asleep: anonymous', measured: round(alone.anonymous), unit: 'MiB' },
      {
        what: `one of ${SLEEPERS} asleep: PSS`,
        measured: round(each.pss / SLEEPERS),
        unit: 'MiB',
      },
      {
        what: `CPU of a waking that finds nothing changed (${besideEmptyNode(cpu)})`,
        measured: round(cpu),
        unit: 'ms',
      },
    ]
  } finally {
    for (const agent of sleepers) {
      agent.kill('SIGTERM')
      await once(agent, 'exit')
    }
    await place.close()
  }
}

/** Waits until a shell has taken the agent's place, and below it something counts seconds. */
async function asleep({ pid = 0 }: ChildProcess): Promise<void> {
  for (;;) {
    const [below = 0] = childrenOf(pid)
    if (below !== 0 && nameOf(below) === 'sleep') return
    await setTimeout(5)
  }
}

function processesOf({ pid = 0 }: ChildProcess): readonly number[] {
  return [pid, ...childrenOf(pid)]
}

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return 'gone'
  }
}

function sum(all: readonly Memory[]): Memory {
  const of = (field: keyof Memory): number => all.reduce((total, each) => total + each[field], 0)
  return { rss: of('rss'), pss: of('pss'), uss: of('uss'), anonymous: of('anonymous') }
}

/** User and system time of the children that have ended and were waited for. */
function cpuOfChildrenMs({ pid = 0 }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return ((Number(fields[13]) + Number(fields[14])) * 1000) / TICKS_PER_SECOND
}

/** Asks for a pass, and waits until the server has answered its batch. */
async function refresh(agent: ChildProcess, place: Place): Promise<void> {
  const batches = async (): Promise<number> => (await place.requests())['batch'] ?? 0
  const before = await batches()
  agent.kill('SIGHUP')
  while ((await batches()) === before) await setTimeout(5)
  await setTimeout(20)
}

async function published({ stderr }: ChildProcess): Promise<void> {
  let log = ''
  while (!log.includes('"PUBLISHED"')) {
    const [text] = (await once(stderr ?? process.stdin, 'data')) as [Buffer]
    log += text.toString('utf8')
  }
}

interface Memory {
  readonly rss: number
  readonly pss: number
  readonly uss: number
  readonly anonymous: number
}

/** Of one process, in MiB. */
export function memory({ pid = 0 }: Pick<ChildProcess, 'pid'>): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const of = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024
  return {
    rss: of('Rss'),
    pss: of('Pss'),
    uss: of('Private_Clean') + of('Private_Dirty'),
    anonymous: of('Anonymous'),
  }
}

/** User and system time so far. */
function cpuMs({ pid = 0 }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND
}

function rows(what: string, { rss, pss, uss, anonymous }: Memory): readonly Row[] {
  return [
    { what: `${what}: RSS`, measured: round(rss), unit: 'MiB' },
    { what: `${what}: PSS`, measured: round(pss), unit: 'MiB' },
    { what: `${what}: USS`, measured: round(uss), unit: 'MiB' },
    { what: `${what}: anonymous`, measured: round(anonymous), unit: 'MiB' },
  ]
}

function round(value: number): number {
  return Number(value.toFixed(1))
}
