import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { record, scaled, stopwatch } from '../support/attack.ts'
import { CANARY } from '../support/workbench.ts'
import {
  callsOf,
  canTrace,
  injected,
  injecting,
  tracing,
  type SystemCall,
} from '../support/strace.ts'
import { volumeBench, type VolumeBench } from './volume-bench.ts'

/** Every how many-th system call of a pass is attacked. */
const STRIDE = scaled(23, 1)

/** What a kernel may say to each call. */
const ERRORS: Readonly<Record<string, readonly string[]>> = {
  mkdir: ['ENOSPC', 'EROFS', 'EIO'],
  openat: ['ENOSPC', 'EMFILE', 'EROFS', 'EIO'],
  chmod: ['EROFS', 'EIO'],
  fchmod: ['EROFS', 'EIO'],
  write: ['ENOSPC', 'EIO'],
  close: ['EIO'],
  link: ['ENOSPC', 'EIO'],
  symlink: ['ENOSPC', 'EROFS', 'EIO'],
  rename: ['ENOSPC', 'EROFS', 'EIO'],
  readlink: ['EIO'],
  getdents64: ['EIO'],
  statx: ['EIO'],
  unlink: ['EROFS', 'EIO'],
  unlinkat: ['EROFS', 'EIO'],
  rmdir: ['EROFS', 'EIO'],
}

let volume: VolumeBench

afterEach(async () => {
  await volume[Symbol.asyncDispose]()
})

test.skipIf(!canTrace())(
  'P1 each system call of a pass fails: the set is the old one or the new, and the next pass repairs all',
  async () => {
    volume = await volumeBench({ files: 3 })
    const { bench } = volume
    const took = stopwatch()
    const log = join(bench.directory, 'trace')
    await volume.repair()
    volume.next()
    const probe = bench.start(['init'], volume.environment, {
      under: tracing(log, Object.keys(ERRORS)),
    })
    expect((await probe.ended).code).toBe(0)
    const calls = callsOf(log, probe.pid).filter(({ text }) => isOnVolume(text))
    const attacks = calls.flatMap((call) =>
      ['signal=SIGKILL', ...(ERRORS[call.name] ?? []).map((error) => `error=${error}`)].map(
        (what) => ({ call, what }),
      ),
    )
    const counts = { kills: 0, errors: 0, told: 0, missed: 0 }
    const lost: Lost = { torn: [], untold: [], left: [] }

    for (const { call, what } of attacks.filter((_, index) => index % STRIDE === 0)) {
      const verdict = await attack({ call, what, log }, lost)
      if (verdict === 'missed') counts.missed++
      else if (isKill(what)) counts.kills++
      else counts.errors++
      if (verdict === 'told') counts.told++
    }

    record('P1 system calls', {
      tried: {
        'system calls of a pass on the volumes': calls.length,
        'killed at one of them': counts.kills,
        'one of them failed (ENOSPC, EIO, EMFILE, EROFS)': counts.errors,
        'of these told by an exit code and two lines': counts.told,
      },
      lost: {
        'torn, empty, mixed or wider files': lost.torn.length,
        'ends with another code or other lines than promised': lost.untold.length,
        'files left behind by the next pass': lost.left.length,
      },
      seconds: took(),
    })
    expect(lost).toEqual({ torn: [], untold: [], left: [] })
    const names = new Set(calls.map(({ name }) => name))
    for (const name of ['mkdir', 'write', 'symlink', 'rename', 'unlink', 'rmdir'])
      expect(names).toContain(name)
    const kills = attacks.filter(({ what }, index) => index % STRIDE === 0 && isKill(what))
    expect(counts.kills).toBeGreaterThan(kills.length / 2)
    expect(counts.errors).toBeGreaterThan((attacks.length / STRIDE - kills.length) / 2)
    expect(counts.told).toBeGreaterThan(0)
  },
  scaled(120_000, 3_600_000),
)

/** What was seen that must never be, each with the fault before it. */
interface Lost {
  readonly torn: string[]
  readonly untold: string[]
  readonly left: string[]
}

function isKill(what: string): boolean {
  return what === 'signal=SIGKILL'
}

function isOnVolume(text: string): boolean {
  const { directory } = volume.bench
  // Below directories that it holds open the program names files so, and it holds none but these.
  if (text.includes('/proc/self/fd/')) return true
  return ['secrets', 'run', 'status'].some((name) => text.includes(`${directory}/${name}`))
}

interface Attack {
  readonly call: SystemCall
  readonly what: string
  /** Where strace writes. */
  readonly log: string
}

/** One pass with one fault; notes what must not be after it, and after the next. */
async function attack(
  { call, what, log }: Attack,
  lost: Lost,
): Promise<'missed' | 'told' | 'borne'> {
  const { bench } = volume
  const generation = volume.next()
  const agent = bench.start(
    ['init'],
    { ...volume.environment, RETRY_COUNT_LIMIT: '0' },
    { under: injecting(log, call, what) },
  )
  const { code, signal } = await agent.ended
  const hit = injected(log)
  // A thread counts its own calls: the fault may hit the pipe by which Node's threads wake each other, and Node aborts.
  const isAborted = signal === 'SIGABRT' && (hit === undefined || !isOnVolume(hit))
  const isKilled = signal === 'SIGKILL' || code === 137
  const about = `${what} at ${call.name} ${call.when}: ${call.text}\n${agent.output()}`
  expect(agent.output(), about).not.toContain(CANARY)

  const { held, wrong } = published()
  const isWhole = held.length === 1 && [generation, generation - 1].includes(held[0] ?? 0)
  if (wrong.length > 0 || !isWhole) lost.torn.push(`${wrong.join()} ${held.join()}: ${about}`)
  if (!isKilled && !isAborted) {
    // What hits something else than the volumes, such as the token's file, ends with that thing's own code.
    const isElsewhere = hit !== undefined && !isOnVolume(hit)
    const isPromised = (isElsewhere ? [0, 1, 3, 4, 5, 6] : [0, 6]).includes(code ?? -1)
    const isBeside = /\/(status)\//.test(call.text)
    const isDone = code === 0 && hit !== undefined && isOnVolume(hit) && !isBeside
    const isOld = isDone && held[0] !== generation
    if (!isPromised || isOld || (code === 6 && !isTold(agent.stderr()))) lost.untold.push(about)
  }

  await volume.repair()
  lost.left.push(...volume.wrong(generation).map((name) => `${name}: ${about}`))
  const isHit = isKill(what) ? isKilled : isAborted || (hit !== undefined && isOnVolume(hit))
  if (!isHit) return 'missed'
  return code === 6 ? 'told' : 'borne'
}

function isTold(stderr: string): boolean {
  const [head = '', hint = '', ...more] = stderr
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'))
  return more.length === 0 && /^OUTPUT_(FULL|UNWRITABLE): /.test(head) && hint.startsWith('hint: ')
}

/** The generations that the published files hold; and which are torn, missing or have another mode. */
function published(): { readonly held: readonly number[]; readonly wrong: readonly string[] } {
  const { secrets } = volume.bench
  const held = new Set<number>()
  const wrong: string[] = []
  for (const name of ['file-0', 'file-1', 'file-2']) {
    const path = join(secrets, name)
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    const [generation = ''] = text.split(',', 1)
    held.add(Number(generation))
    const isWhole = text === `${generation},`.repeat(1000)
    if (!isWhole || (statSync(path).mode & 0o7777) !== 0o640) wrong.push(name)
  }
  return { held: [...held], wrong }
}
