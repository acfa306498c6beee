import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  watch,
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

function cacheOf(): string {
  return join(place, '.compile-cache', `${process.version}-${process.arch}`)
}

/** The kept files by name, each with what tells whether it was written anew. */
function kept(): ReadonlyMap<string, string> {
  const cache = cacheOf()
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

test('what a sidecar keeps, which has told its engine to compile nothing, every other run takes', async () => {
  writeFileSync(join(place, 'jwt'), 'a.b.c')
  const sidecar = spawn(process.execPath, [join(place, 'main.js'), 'sidecar'], {
    env: {
      CONJUR_APPLIANCE_URL: 'https://127.0.0.1:1',
      CONJUR_ACCOUNT: 'acme',
      CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
      CONJUR_AUTHN_LOGIN: 'host/apps/web',
      CONJUR_SECRETS__DB: '- password',
      CONJUR_STATUS_LISTEN: 'off',
      CONJUR_STATUS_DIRECTORY: place,
      CONJUR_SECRETS_DIRECTORY: join(place, 'secrets'),
      CONJUR_AUTHN_TOKEN_FILE: join(place, 'token'),
      JWT_TOKEN_PATH: join(place, 'jwt'),
    },
    stdio: 'ignore',
  })
  const watcher = watch(place, { recursive: true })
  try {
    while (!hasSettled()) await once(watcher, 'change')
  } finally {
    watcher.close()
    sidecar.kill('SIGKILL')
    await once(sidecar, 'exit')
  }
  const before = [...kept()]

  expect(run('--version').status).toBe(0)
  expect([...kept()]).toEqual(expect.arrayContaining(before))
})

/** Whether everything that is loaded has been kept, the front door among it, and no half is left. */
function hasSettled(): boolean {
  const names = existsSync(cacheOf()) ? readdirSync(cacheOf()) : []
  return names.length >= 5 && !names.some((name) => name.includes('.'))
}

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
