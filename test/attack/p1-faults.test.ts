import { readdirSync, readFileSync, statSync } from 'node:fs'
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

    for (const { call, what } of attacks.filter((_, index) => index % STRIDE === 0)) {
      const verdict = await attack(call, what, log)
      if (verdict === 'missed') counts.missed++
      else if (what === 'signal=SIGKILL') counts.kills++
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
      lost: { 'torn, empty, mixed or wider files': 0, 'files left behind by the next pass': 0 },
      seconds: took(),
    })
    expect(calls.length).toBeGreaterThan(50)
    expect(counts.kills + counts.errors).toBeGreaterThan(attacks.length / STRIDE / 2)
    expect(counts.told).toBeGreaterThan(0)
  },
  scaled(120_000, 3_600_000),
)

function isOnVolume(text: string): boolean {
  const { directory } = volume.bench
  return ['secrets', 'run', 'status'].some((name) => text.includes(`${directory}/${name}`))
}

/** One pass with one fault; holds what must be true after it, and after the next. */
async function attack(
  call: SystemCall,
  what: string,
  log: string,
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
  const isKilled = signal === 'SIGKILL' || code === 137 || isAborted
  const about = `${what} at ${call.name} ${call.when}: ${call.text}\n${agent.output()}`

  const held = published()
  expect(held, about).toHaveLength(1)
  expect([generation, generation - 1], about).toContain(held[0])
  if (!isKilled) {
    // What hits something else than the volumes, such as the token's file, ends with that thing's own code.
    const isElsewhere = hit !== undefined && !isOnVolume(hit)
    expect(isElsewhere ? [0, 1, 3, 4, 5, 6] : [0, 6], about).toContain(code)
    const isBeside = /\/(status)\//.test(call.text)
    if (code === 0 && hit !== undefined && isOnVolume(hit) && !isBeside) {
      expect(held, about).toEqual([generation])
    }
    if (code === 6) {
      const lines = agent
        .stderr()
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('{'))
      expect(lines, about).toEqual([
        expect.stringMatching(/^OUTPUT_(FULL|UNWRITABLE): /),
        expect.stringMatching(/^hint: /),
      ])
    }
  }
  expect(agent.output(), about).not.toContain(CANARY)

  await volume.repair()
  expect(volume.wrong(generation), about).toEqual([])
  if (!isKilled && (hit === undefined || !isOnVolume(hit))) return 'missed'
  return code === 6 ? 'told' : 'borne'
}

/** The generations that the published files hold; each must be whole and have its mode. */
function published(): number[] {
  const { secrets } = volume.bench
  const found = readdirSync(secrets).filter((name) => name.startsWith('file-'))
  expect(found).toHaveLength(3)
  const held = found.map((name) => {
    const text = readFileSync(join(secrets, name), 'utf8')
    const [generation = ''] = text.split(',', 1)
    expect(text).toBe(`${generation},`.repeat(1000))
    expect(statSync(join(secrets, name)).mode & 0o7777).toBe(0o640)
    return Number(generation)
  })
  return [...new Set(held)]
}
