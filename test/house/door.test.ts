import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const dist = join(import.meta.dirname, '../../dist')
let place: string

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'conjur-agent-door-'))
  cpSync(dist, place, {
    recursive: true,
    filter: (path) => !/\.compile-cache|types$/.test(path),
  })
})

afterEach(() => rmSync(place, { recursive: true }))

function run(...argv: readonly string[]): {
  readonly status: number | null
  readonly stdout: string
} {
  const { status, stdout } = spawnSync(process.execPath, [join(place, 'main.js'), ...argv], {
    env: {},
    encoding: 'utf8',
  })
  return { status, stdout }
}

/** The kept files by name, each with what tells whether it was written anew. */
function kept(): ReadonlyMap<string, string> {
  const cache = join(place, '.compile-cache', `${process.version}-${process.arch}`)
  return new Map(
    readdirSync(cache).map((name) => {
      const { ino, size } = statSync(join(cache, name))
      return [join(cache, name), `${ino} ${size}`]
    }),
  )
}

test('a run that goes well keeps what it compiled, and the next one takes it', () => {
  const first = run('--version')
  const before = kept()
  const second = run('--version')

  expect(first.status).toBe(0)
  expect(second).toEqual(first)
  expect(before.size).toBeGreaterThan(2)
  expect(kept()).toEqual(before)
})

test('a run that fails keeps nothing: what it compiled is not what others need', () => {
  expect(run('init').status).toBe(3)

  expect(() => kept()).toThrow('ENOENT')
})

test('what is kept and broken is passed over and made anew', () => {
  const first = run('--version')
  const [path = ''] = kept().keys()
  const good = readFileSync(path).length
  writeFileSync(path, 'broken')

  expect(run('--version')).toEqual(first)
  expect(readFileSync(path).length).toBe(good)
})

test('where nothing can be kept the program runs all the same', () => {
  writeFileSync(join(place, '.compile-cache'), '')

  const { status, stdout } = run('--version')

  expect(status).toBe(0)
  expect(stdout).toMatch(/^conjur-agent \d/)
})
