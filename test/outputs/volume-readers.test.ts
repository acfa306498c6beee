import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import { volume } from '../../src/outputs/volume.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

/** A long profile: `KILLS=2000 npx vitest run … volume-readers`. */
const KILLS = Number(process.env['KILLS'] ?? 12)

const paths = ['a', 'b', 'sub/c']

test(
  `P1 readers see whole sets while the publisher is killed ${KILLS} times at random moments`,
  async () => {
    const directory = temporaryVolume()
    const seen = { sets: 0, generations: new Set<string>() }
    for (let kill = 0; kill < KILLS; kill++) {
      const publisher = startPublisher(directory)
      const dots = { count: 0 }
      publisher.stdout?.on('data', (more: Buffer) => {
        dots.count += more.length
      })
      const dies = once(publisher, 'exit')
      const last = 1 + Math.floor(Math.random() * 5)
      while (dots.count < last) {
        if (dots.count > 0 || kill > 0) readOnce(directory, seen)
        await setImmediate()
      }
      for (let more = Math.random() * 30; more > 0; more--) readOnce(directory, seen)
      publisher.kill('SIGKILL')
      await dies
    }

    const { sweep } = volume({ directory, publish: 'set', requireTmpfs: 'false' }).publish({
      files: new Map([['a', { content: new Secret('last'), mode: 0o644 }]]),
      keep: new Set(),
      gone: new Set(),
    })
    sweep?.()

    expect(seen.sets).toBeGreaterThan(KILLS)
    expect(seen.generations.size).toBeGreaterThan(KILLS)
    expect(readdirSync(directory)).toHaveLength(3)
  },
  60_000 + KILLS * 1000,
)

test('P1 two agents on one volume, an init beside a sidecar, tear nothing and both go on', async () => {
  const directory = temporaryVolume()
  const publishers = [startPublisher(directory, 1), startPublisher(directory, 1)]
  const dots = publishers.map(() => 0)
  for (const [index, publisher] of publishers.entries()) {
    publisher.stdout?.on('data', (more: Buffer) => {
      dots[index] = (dots[index] ?? 0) + more.length
    })
  }
  let whole = 0

  while (Math.min(...dots) < 100) {
    const text = readUnlessGone(join(directory, 'sub/c'))
    if (text !== undefined && wholeGeneration(text) !== '') whole++
    await setImmediate()
  }
  const ends = publishers.map((publisher) => once(publisher, 'exit'))
  for (const publisher of publishers) publisher.kill('SIGKILL')
  await Promise.all(ends)

  expect(whole).toBeGreaterThan(100)
}, 60_000)

function startPublisher(directory: string, pauseMs = 50): ChildProcess {
  const script = join(import.meta.dirname, 'publisher.ts')
  return spawn(process.execPath, [script, directory, String(pauseMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

function readOnce(directory: string, seen: { sets: number; generations: Set<string> }): void {
  // One name, as any program opens it: there, whole, never empty.
  wholeGeneration(readFileSync(join(directory, 'sub/c'), 'utf8'))
  // Several of one set: below the directory that `..data` led to, again if that has gone meanwhile.
  const set = join(directory, readlinkSync(join(directory, '..data')))
  const generations = new Set(readSet(set)?.map(wholeGeneration))
  if (generations.size === 0) return
  expect(generations.size).toBe(1)
  seen.sets++
  for (const generation of generations) seen.generations.add(generation)
}

function readSet(set: string): string[] | undefined {
  const texts = paths.flatMap((path) => readUnlessGone(join(set, path)) ?? [])
  return texts.length === paths.length ? texts : undefined
}

function readUnlessGone(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function wholeGeneration(text: string): string {
  const [generation = ''] = text.split(',', 1)
  expect(text === `${generation},`.repeat(2000)).toBe(true)
  return generation
}
