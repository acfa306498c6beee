import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Report } from '../../src/agent/cycle.ts'
import { emptyMemory } from '../../src/agent/memory.ts'
import { createObserver, type Observer } from '../../src/agent/observe.ts'
import { tellPlaces } from '../../src/agent/places.ts'
import { loadConfig, type AgentConfig } from '../../src/config/load.ts'
import { ConjurError } from '../../src/core/errors.ts'
import { SendFailure } from '../../src/core/http.ts'
import { Secret } from '../../src/core/secret.ts'
import { fakeClock } from '../support/fake-clock.ts'
import { agentClock } from '../support/fake-stages.ts'
import { freePort } from '../support/free-port.ts'
import { logLines, type LogLine } from '../support/log-lines.ts'
import { reply } from '../support/scripted-send.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const NOW = Date.parse('2026-01-20T09:00:00Z')
const token = { secret: new Secret('canary'), lifetimeMs: 480_000, login: 'host/a' }
const next = { retry: undefined, valuesInMs: 300_000, renewalInMs: 360_000 }

interface Watching {
  readonly observer: Observer
  readonly lines: LogLine[]
  readonly statusDirectory: string
  readonly config: AgentConfig
  readonly report: (overrides?: Partial<Report>) => Report
}

async function watching(environment: Readonly<Record<string, string>> = {}): Promise<Watching> {
  const home = await onDisk()
  const statusDirectory = join(home, 'status')
  mkdirSync(statusDirectory)
  const config = await loadConfig({
    flags: {},
    annotations: undefined,
    file: undefined,
    mode: 'sidecar',
    environment: {
      CONJUR_APPLIANCE_URL: 'https://conjur.example.com',
      CONJUR_ACCOUNT: 'acme',
      CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
      CONJUR_SECRETS__DB: '- app/user',
      CONJUR_SECRETS_DIRECTORY: '/dev/shm',
      CONJUR_AUTHN_TOKEN_FILE: '/dev/shm/token',
      CONJUR_STATUS_DIRECTORY: statusDirectory,
      CONJUR_STATUS_LISTEN: 'off',
      ...environment,
    },
  })
  const { log, lines } = logLines()
  const clock = agentClock(fakeClock(NOW))
  const observer = createObserver({ config, log, clock, version: '1.2.3' })
  return {
    observer,
    lines,
    statusDirectory,
    config,
    report: (overrides = {}) => ({
      memory: { ...emptyMemory, held: { token, received: { now: NOW, monotonic: NOW } } },
      loggedIn: false,
      outcomes: new Map(),
      published: [{ name: 'db.yaml', kind: 'yaml', values: 1, state: 'written' }],
      error: undefined,
      outputErrors: [],
      ...overrides,
    }),
  }
}

function document(directory: string): Readonly<Record<string, unknown>> {
  return { ...JSON.parse(readFileSync(join(directory, 'agent.json'), 'utf8')) }
}

/** A directory on a disk, gone after the test. */
async function onDisk(): Promise<string> {
  const directory = await temporaryDirectory()
  onTestFinished(() => directory[Symbol.asyncDispose]())
  return directory.path
}

describe('the status document', () => {
  test('is written after a pass, readable by everyone, and nothing half-made stays', async () => {
    const { observer, statusDirectory, report } = await watching()
    writeFileSync(join(statusDirectory, '.agent.json.tmp'), 'left by a kill')

    observer.passed(report(), next)

    expect(document(statusDirectory)).toMatchObject({
      schema: 'conjur-agent/status/v1',
      mode: 'sidecar',
      ready: true,
      outputs: [{ name: 'db.yaml', state: 'fresh' }],
    })
    expect(statSync(join(statusDirectory, 'agent.json')).mode & 0o777).toBe(0o644)
    expect(readdirSync(statusDirectory)).not.toContain('.agent.json.tmp')
  })

  test('is left out where its directory is not there', async () => {
    const { observer, lines, report } = await watching({ CONJUR_STATUS_DIRECTORY: '/nowhere/s' })

    observer.passed(report(), next)

    expect(lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
  })

  test('that cannot be written costs nothing but a line for who debugs', async () => {
    const { observer, lines, statusDirectory, report } = await watching()
    mkdirSync(join(statusDirectory, 'agent.json', 'in-the-way'), { recursive: true })

    observer.passed(report(), next)

    expect(lines).toContainEqual(
      expect.objectContaining({
        level: 'debug',
        code: 'STATUS_DOCUMENT',
        msg: 'the status document could not be written',
      }),
    )
    expect(readdirSync(statusDirectory)).not.toContain('.agent.json.tmp')
  })

  test('of a replica that stands by says who it waits for', async () => {
    const { observer, statusDirectory } = await watching()

    observer.standsBy('following')
    const following = document(statusDirectory)
    observer.standsBy('unknown')

    expect(following).toMatchObject({ ready: true, reasons: [] })
    expect(document(statusDirectory)).toMatchObject({
      ready: false,
      reasons: ['the Lease cannot be reached'],
    })
  })

  test('P4 says of a kept output which variable it waits for', async () => {
    const { observer, statusDirectory, report } = await watching()
    const known = new Map([['app/user', new Secret('old')]])
    const passed = report({
      memory: { ...report().memory, values: known },
      outcomes: new Map([['app/user', { kind: 'forbidden' }]]),
      published: [{ name: 'db.yaml', kind: 'yaml', values: 1, state: 'kept' }],
    })

    observer.passed(passed, next)

    expect(document(statusDirectory)['outputs']).toMatchObject([
      { state: 'kept', error: { code: 'CONJUR_FORBIDDEN', variable: 'app/user' } },
    ])
  })
})

describe("the incumbent's status files", () => {
  const made = (directory: string): boolean =>
    readdirSync(directory).includes('CONJUR_SECRETS_PROVIDED')
  const away = new ConjurError('CONJUR_UNAVAILABLE', 'away', { hint: 'h' })

  test('are made once everything was published', async () => {
    const { observer, statusDirectory, report } = await watching()

    observer.passed(report(), next)

    expect(made(statusDirectory)).toBe(true)
    expect(readdirSync(statusDirectory)).not.toContain('CONJUR_SECRETS_UPDATED')
  })

  test('say afterwards that something has changed, not that the token has', async () => {
    const { observer, statusDirectory, report } = await watching()
    const updated = (): boolean => readdirSync(statusDirectory).includes('CONJUR_SECRETS_UPDATED')
    observer.passed(report(), next)

    const same = report().published.map((file) => ({ ...file, state: 'same' as const }))
    const renewed = { name: 'token', kind: 'token', values: 0, state: 'written' as const }
    observer.passed(report({ published: [...same, renewed] }), next)
    const before = updated()
    observer.passed(report(), next)

    expect([before, updated()]).toEqual([false, true])
  })

  test.each<[string, (report: Report) => Partial<Report>]>([
    ['failed', () => ({ error: away })],
    ['could not write an output', () => ({ outputErrors: [away] })],
    ['published nothing', () => ({ published: [] })],
    [
      'renewed the token alone',
      () => ({ published: [{ name: 't', kind: 'token', values: 0, state: 'written' }] }),
    ],
    [
      'misses a file',
      ({ published }) => ({
        published: [...published, { name: 'b', kind: 'yaml', values: 0, state: 'missing' }],
      }),
    ],
    [
      'left a file as it was',
      ({ published }) => ({
        published: published.map((file) => ({ ...file, state: 'kept' as const, error: away })),
      }),
    ],
  ])('are not made by a pass that %s', async (_what, overrides) => {
    const { observer, statusDirectory, report } = await watching()

    observer.passed(report(overrides(report())), next)

    expect(made(statusDirectory)).toBe(false)
  })
})

describe('requests', () => {
  test('are counted by their status, or by why no answer came', async () => {
    const port = await freePort()
    const { observer } = await watching({ CONJUR_METRICS_LISTEN: `127.0.0.1:${port}` })
    const answers = [
      async () => reply(503),
      async () => Promise.reject(new SendFailure('timeout', 'conjur.example.com')),
      async () => Promise.reject(new Error('stopped')),
    ]
    for (const answer of answers) {
      const send = observer.measured('retrieve', answer)
      await send({
        method: 'GET',
        url: new URL('https://conjur.example.com'),
        deadlineMs: 1,
        maxBodyBytes: 1,
        signal: new AbortController().signal,
      }).catch(() => undefined)
    }
    await observer.listen(() => undefined)

    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    await observer.close()

    expect(text.match(/duration_seconds_count\{.*/g)).toEqual([
      'duration_seconds_count{operation="retrieve",status="503"} 1',
      'duration_seconds_count{operation="retrieve",status="timeout"} 1',
      'duration_seconds_count{operation="retrieve",status="aborted"} 1',
    ])
  })
})

describe('the status server', () => {
  test('serves what the document says, and passes POST /refresh on', async () => {
    const port = await freePort()
    const { observer, report } = await watching({ CONJUR_STATUS_LISTEN: `127.0.0.1:${port}` })
    let refreshed = 0
    observer.passed(report(), next)
    await observer.listen(() => refreshed++)
    const at = (path: string, method = 'GET'): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}${path}`, { method })

    const [live, ready] = [await at('/livez'), await at('/readyz')]
    const status = await (await at('/status')).json()
    await at('/refresh', 'POST')
    const text = await (await at('/metrics')).text()
    await observer.close()

    expect([live.status, ready.status, refreshed]).toEqual([200, 200, 1])
    expect(status).toMatchObject({ schema: 'conjur-agent/status/v1' })
    expect(text).toContain('conjur_agent_access_token_expiry_timestamp_seconds 1768900080')
    expect(text).toContain('conjur_agent_refresh_interval_seconds{output="db.yaml"} 300')
    await expect(at('/livez')).rejects.toThrow('fetch failed')
  })

  test('that cannot have its port is a warning', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const { observer, lines } = await watching({ CONJUR_STATUS_LISTEN: `127.0.0.1:${port}` })

    await observer.listen(() => undefined)
    server.close()

    expect(lines.at(-1)).toMatchObject({
      level: 'warn',
      code: 'STATUS_PORT',
      msg: 'not served there; the status document goes on',
    })
  })
})

describe('places', () => {
  async function told(environment: Readonly<Record<string, string>>): Promise<LogLine[]> {
    const { config } = await watching(environment)
    const { log, lines } = logLines()
    tellPlaces(config, log)
    return lines
  }

  test('in memory, and writable, are not worth a line', async () => {
    expect(await told({})).toEqual([])
  })

  test('on a disk are warned of, also where they are not made yet', async () => {
    const directory = join(await onDisk(), 'not', 'yet')

    expect(await told({ CONJUR_SECRETS_DIRECTORY: directory })).toEqual([
      {
        level: 'warn',
        code: 'OUTPUT_NOT_TMPFS',
        directory,
        msg: `${directory} is not in memory: secrets may reach a disk; mount an emptyDir with medium: Memory there`,
      },
    ])
  })

  test.each(['true', 'false'])(
    'on a disk are not warned of where requireTmpfs says %s',
    async (requireTmpfs) => {
      const directory = await onDisk()

      expect(
        await told({
          CONJUR_SECRETS_DIRECTORY: directory,
          CONJUR_REQUIRE_TMPFS: requireTmpfs,
        }),
      ).toEqual([])
    },
  )

  test('a token file that has no place by default is left out, and that is told', async () => {
    const { config } = await watching()
    const { log, lines } = logLines()

    tellPlaces(
      {
        ...config,
        accessTokenFile: { path: '/nowhere/token', encoding: 'raw', whereUnwritable: 'leave-out' },
      },
      log,
    )

    expect(lines).toEqual([
      {
        level: 'info',
        code: 'TOKEN_FILE_LEFT_OUT',
        path: '/nowhere/token',
        msg: 'no access token file: /nowhere is not there or not writable',
      },
    ])
  })
})
