import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { AgentProcess } from '../support/agent-process.ts'
import { record, scaled, stopwatch } from '../support/attack.ts'
import { canMount, inside, seenBy, withMounts } from '../support/private-mount.ts'
import { startReader, volumeBench, type VolumeBench } from './volume-bench.ts'

const FILES = 3
/** Room for a few sets of three small files, and for no big one. */
const SECRETS = 'size=64k,mode=0755'
const ROUNDS = scaled(4, 200)

let volume: VolumeBench

beforeEach(async () => {
  volume = await volumeBench({ files: FILES, tokenTtlSeconds: 6 })
})

afterEach(async () => {
  await volume[Symbol.asyncDispose]()
})

interface Mounted {
  readonly agent: AgentProcess
  /** A path as the agent sees it. */
  readonly at: (path: string) => string
}

/** A sidecar whose volumes are small memory file systems of its own, after its first set. */
async function mounted(more: Readonly<Record<string, string>> = {}): Promise<Mounted> {
  const { bench, environment, status } = volume
  const run = dirname(bench.tokenFile)
  const mounts = { [bench.secrets]: SECRETS, [run]: 'size=64k', [status]: 'size=64k', ...more }
  const agent = bench.start(
    ['sidecar'],
    { ...environment, CONJUR_SECRETS_REFRESH_INTERVAL: '1s', RETRY_INTERVAL_SEC: '1' },
    { under: withMounts(mounts) },
  )
  await agent.line(({ code }) => code === 'PUBLISHED')
  return { agent, at: (path) => seenBy(agent.pid, path) }
}

function set(value: string): void {
  for (let index = 0; index < FILES; index++)
    volume.bench.conjur.setValue(`apps/many/${index}`, value)
}

/** What the set holds; an error unless all files hold the same. */
function held(at: Mounted['at']): string {
  const { secrets } = volume.bench
  const texts = Array.from({ length: FILES }, (_, index) =>
    readFileSync(at(join(secrets, '..data', `file-${index}`)), 'utf8'),
  )
  expect(new Set(texts).size).toBe(1)
  return texts[0] ?? ''
}

function eventually(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 20_000, interval: 20 })
}

async function code(agent: AgentProcess, wanted: string, about: string): Promise<void> {
  const before = agent.stderr().length
  await eventually(() => {
    const lines = agent.stderr().slice(before).split('\n')
    const isTold = lines.some((line) => line.includes(wanted) && line.includes(about))
    expect(isTold, agent.stderr()).toBe(true)
  })
}

async function stop({ agent }: Mounted): Promise<void> {
  agent.kill('SIGTERM')
  expect((await agent.ended).code).toBe(0)
}

test.skipIf(!canMount())(
  'P1 a volume that is too small for the new set keeps the old one, says so in its status, and takes one that fits',
  async () => {
    const running = await mounted()
    const { agent, at } = running
    const { bench, status } = volume
    const document = (): unknown => JSON.parse(readFileSync(at(join(status, 'agent.json')), 'utf8'))
    const before = held(at)

    set('x'.repeat(30_000))
    await agent.line(({ code }) => code === 'OUTPUT_FULL')

    expect(held(at)).toBe(before)
    await eventually(() =>
      expect(document()).toMatchObject({ ready: true, lastError: { code: 'OUTPUT_FULL' } }),
    )
    set('small')
    await eventually(() => expect(held(at)).toBe('small'))
    await eventually(() => expect(document()).not.toHaveProperty('lastError'))
    await eventually(() =>
      expect(readdirSync(at(bench.secrets)).filter((name) => name.startsWith('..'))).toHaveLength(
        2,
      ),
    )
    await stop(running)
  },
)

test.skipIf(!canMount())('P1 a volume without a free inode keeps the old set', async () => {
  const running = await mounted({ [volume.bench.secrets]: 'size=64k,nr_inodes=15,mode=0755' })
  const { agent, at } = running
  const before = held(at)
  const spare = ['spare-1', 'spare-2'].map((name) => at(join(volume.bench.secrets, name)))
  for (const path of spare) writeFileSync(path, '')

  set('other')
  await agent.line(({ code }) => code === 'OUTPUT_FULL')

  expect(held(at)).toBe(before)
  inside(agent.pid, ['sh', '-c', `rm ${volume.bench.secrets}/spare-*`])
  await eventually(() => expect(held(at)).toBe('other'))
  await stop(running)
})

test.skipIf(!canMount())(
  'P3 a token file without room keeps the last token, and the renewed one arrives when there is room',
  async () => {
    const running = await mounted()
    const { agent, at } = running
    const file = at(volume.bench.tokenFile)
    const before = readFileSync(file, 'utf8')
    expect(() => writeFileSync(join(dirname(file), 'filler'), Buffer.alloc(100_000))).toThrow(
      'ENOSPC',
    )

    await agent.line(({ code }) => code === 'OUTPUT_FULL')
    expect(readFileSync(file, 'utf8')).toBe(before)
    inside(agent.pid, ['rm', join(dirname(volume.bench.tokenFile), 'filler')])

    await eventually(() => expect(readFileSync(file, 'utf8')).not.toBe(before))
    expect(readdirSync(dirname(file))).toEqual(['access-token'])
    await stop(running)
  },
)

test.skipIf(!canMount())(
  'P1 a status volume without room stops nothing: the old document is whole, and so is the next',
  async () => {
    const running = await mounted()
    const { at } = running
    const document = at(join(volume.status, 'agent.json'))
    await eventually(() => expect(readFileSync(document, 'utf8')).toMatch(/\}\n$/))
    expect(() => writeFileSync(join(dirname(document), 'filler'), Buffer.alloc(100_000))).toThrow(
      'ENOSPC',
    )
    const before = readFileSync(document, 'utf8')

    set('rotated')
    await eventually(() => expect(held(at)).toBe('rotated'))
    expect(readFileSync(document, 'utf8')).toBe(before)

    inside(running.agent.pid, ['rm', join(volume.status, 'filler')])
    await eventually(() => expect(readFileSync(document, 'utf8')).not.toBe(before))
    expect(readdirSync(dirname(document)).filter((name) => name.startsWith('.'))).toEqual([])
    await stop(running)
  },
)

test.skipIf(!canMount())(
  'P1 a volume that is unmounted during the passes is published anew on what lies below',
  async () => {
    const running = await mounted()
    const { agent, at } = running

    inside(agent.pid, ['umount', '-l', volume.bench.secrets])

    set('below')
    await eventually(() => expect(held(at)).toBe('below'))
    await stop(running)
  },
)

test.skipIf(!canMount())(
  `P1 a volume that turns read-only, full and back ${ROUNDS} times shows whole sets to a reader at full speed`,
  async () => {
    const running = await mounted()
    const { agent, at } = running
    const { secrets } = volume.bench
    const took = stopwatch()
    const reader = await startReader(volume, ['nsenter', '-m', '-t', String(agent.pid)])
    const remount = (how: string): void =>
      inside(agent.pid, ['mount', '-o', `remount,${how}`, secrets])
    const counts = { 'read-only': 0, full: 0 }

    for (let round = 1; round <= ROUNDS; round++) {
      const before = held(at)
      if (round % 2 === 0) {
        remount('ro')
        volume.next()
        await code(agent, 'OUTPUT_UNWRITABLE', 'EROFS')
        expect(held(at)).toBe(before)
        remount('rw')
        counts['read-only']++
      } else {
        set(`${round}0,`.repeat(10_000))
        await code(agent, 'OUTPUT_FULL', secrets)
        expect(held(at)).toBe(before)
        counts.full++
      }
      const generation = volume.next()
      await eventually(() => expect(held(at)).toBe(`${generation},`.repeat(1000)))
    }

    const { seen, lost } = await reader.stop()
    record('P1 volumes', {
      tried: {
        'remounts read-only during passes': counts['read-only'],
        'sets too large for the volume': counts.full,
        'files read meanwhile': seen['files'] ?? 0,
        'sets read': seen['sets'] ?? 0,
      },
      lost: { 'torn, empty, mixed or wider files': lost.length },
      seconds: took(),
    })
    expect(lost).toEqual([])
    expect(statSync(at(join(secrets, 'file-0'))).mode & 0o777).toBe(0o640)
    await eventually(() =>
      expect(readdirSync(at(secrets)).filter((name) => name.startsWith('..'))).toHaveLength(2),
    )
    await stop(running)
  },
  60_000 + ROUNDS * 20_000,
)
