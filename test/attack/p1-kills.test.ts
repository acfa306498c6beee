import { readdirSync, watch } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { record, scaled, stopwatch } from '../support/attack.ts'
import { startReader, volumeBench, type VolumeBench } from './volume-bench.ts'

const KILLS = scaled(24, 2000)

let volume: VolumeBench

beforeEach(async () => {
  volume = await volumeBench()
})

afterEach(async () => {
  await volume[Symbol.asyncDispose]()
})

test(
  `P1 ${KILLS} passes of the program are cut short by SIGKILL and no reader sees anything but whole sets`,
  async () => {
    const took = stopwatch()
    await volume.repair()
    const reader = await startReader(volume)
    const passMs = await passLength()
    const counts = { inPublish: 0, before: 0, after: 0, repairs: 0 }
    const unrepaired: string[] = []

    for (let kill = 1; kill <= KILLS; kill++) {
      const before = setsOf(volume)
      const generation = volume.next()
      const agent = volume.bench.start(['init'], volume.environment)
      // Every second blow falls at any moment of a pass, the others while files are written.
      if (kill % 2 === 0) await pause(Math.random() * passMs * 1.2)
      else {
        await Promise.race([firstChange(volume.bench.secrets), agent.ended])
        spin(Math.random() * 12)
      }
      agent.kill('SIGKILL')
      await agent.ended
      const after = setsOf(volume)
      if (after.length > 1 || leftovers(volume).length > 0) counts.inPublish++
      else if (after[0] === before[0]) counts.before++
      else counts.after++
      if (kill % 20 !== 0 && kill !== KILLS) continue

      await volume.repair()
      const wrong = volume.wrong(generation)
      unrepaired.push(...wrong)
      if (wrong.length === 0) counts.repairs++
    }

    const { seen, lost } = await reader.stop()
    record('P1 kills', {
      tried: {
        'passes cut short by SIGKILL': KILLS,
        'of these with something of a set left over, at most so many half-written':
          counts.inPublish,
        'passes that had to repair, and did': counts.repairs,
        'files read meanwhile': seen['files'] ?? 0,
        'sets read': seen['sets'] ?? 0,
        'listings read': seen['directories'] ?? 0,
        'access tokens read': seen['tokens'] ?? 0,
      },
      lost: {
        'torn, empty, mixed or wider files': lost.length,
        'files wrong or left behind after the next pass': unrepaired.length,
      },
      seen: { 'generations seen by readers': seen['generations'] ?? 0 },
      seconds: took(),
    })
    expect(lost).toEqual([])
    expect(unrepaired).toEqual([])
    expect(counts.inPublish).toBeGreaterThan(KILLS / 20)
    expect(seen['sets']).toBeGreaterThan(KILLS)
    expect(seen['generations']).toBeGreaterThan(2)
  },
  60_000 + KILLS * 2000,
)

/** Milliseconds that a pass takes on this machine now. */
async function passLength(): Promise<number> {
  volume.next()
  const started = performance.now()
  await volume.repair()
  return performance.now() - started
}

/** The numbered directories that are there. */
function setsOf({ bench }: VolumeBench): string[] {
  return readdirSync(bench.secrets).filter((name) => /^\.\.\d+$/.test(name))
}

function leftovers({ bench, status }: VolumeBench): string[] {
  const half = (name: string): boolean => name.endsWith('.tmp')
  return [bench.secrets, status, dirname(bench.tokenFile)].flatMap((at) =>
    readdirSync(at).filter(half),
  )
}

/** Resolves when something is made in a directory. */
function firstChange(directory: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(directory, () => {
      watcher.close()
      resolve()
    })
  })
}

/** Waits less than a timer can. */
function spin(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
