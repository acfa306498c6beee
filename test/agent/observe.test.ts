import { mkdirSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Report } from '../../src/agent/cycle.ts'
import { emptyMemory } from '../../src/agent/memory.ts'
import { createObserver, type Observer } from '../../src/agent/observe.ts'
import { tellPlaces } from '../../src/agent/places.ts'
import type { Waking } from '../../src/agent/waking.ts'
import { loadConfig, type AgentConfig } from '../../src/config/load.ts'
import { ConjurError, IdentityError } from '../../src/core/errors.ts'
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

async function watching(
  environment: Readonly<Record<string, string>> = {},
  waking?: Waking,
): Promise<Watching> {
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
  const observer = createObserver({ config, log, clock, version: '1.2.3', waking })
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

describe('what an agent says at its start', () => {
  const started = {
    code: 'STARTED',
    mode: 'sidecar',
    conjur: 'conjur.example.com',
    authenticator: 'authn-jwt/prod',
    login: 'named by the token',
    identitySource: 'projected-token',
    reason: expect.any(String),
    msg: 'starting',
  }

  test('is one line', async () => {
    const { lines } = await watching()

    expect(lines).toEqual([{ level: 'info', ...started }])
  })

  test('names login and followers, if there are any', async () => {
    const { lines } = await watching({
      CONJUR_AUTHN_LOGIN: 'host/apps/web',
      CONJUR_APPLIANCE_URL: 'https://conjur.example.com https://dr.example.com',
    })

    expect(lines[0]).toEqual({
      level: 'info',
      ...started,
      login: 'host/apps/web',
      followers: ['dr.example.com'],
    })
  })

  test('tells what was odd about its settings and places', async () => {
    const directory = await onDisk()

    const { lines } = await watching({
      CONJUR_SECRETS_DIRECTORY: directory,
      CONJUR_MAP: 'x',
      SECRETS_DESTINATION: 'file',
      CONTAINER_MODE: 'application',
    })

    expect(lines.map(({ level, code }) => [level, code])).toContainEqual([
      'warn',
      'OUTPUT_NOT_TMPFS',
    ])
  })

  test('is for who debugs, and no word of its places, where it has slept', async () => {
    const directory = await onDisk()
    const environment = { CONJUR_SECRETS_DIRECTORY: directory }

    const { lines } = await watching(environment, wakingUp)

    expect(lines).toEqual([{ level: 'debug', ...started }])
  })
})

const wakingUp: Waking = {
  startedAt: NOW - 3_600_000,
  checkedAt: NOW - 300_000,
  valuesAt: undefined,
  renewAt: undefined,
  attempt: 0,
  calm: 0,
  refused: new Set(),
  zeroAt: undefined,
  receivedAt: undefined,
}

describe('what an earlier run left', () => {
  const standing = [{ name: 'db.yaml', kind: 'yaml', values: 1, state: 'kept' }] as const

  test('is as old as its file, and as fresh as the last waking found it', async () => {
    const secrets = await onDisk()
    const writtenAt = new Date(NOW - 86_400_000)
    writeFileSync(join(secrets, 'db.yaml'), 'user: a')
    utimesSync(join(secrets, 'db.yaml'), writtenAt, writtenAt)
    const environment = { CONJUR_SECRETS_DIRECTORY: secrets, CONJUR_STALE_AFTER: '1h' }
    const { observer, statusDirectory, report } = await watching(environment, wakingUp)

    observer.passed(report({ published: [], standing }), next)

    expect(document(statusDirectory)).toMatchObject({
      startedAt: '2026-01-20T08:00:00.000Z',
      outputs: [
        {
          name: 'db.yaml',
          kind: 'yaml',
          values: 1,
          state: 'fresh',
          changedAt: '2026-01-19T09:00:00.000Z',
          checkedAt: '2026-01-20T08:55:00.000Z',
          nextAt: '2026-01-20T09:05:00.000Z',
        },
      ],
    })
  })

  test('has no age where its file cannot be looked at', async () => {
    const { observer, statusDirectory, report } = await watching({}, wakingUp)
    const token = { name: 'token', kind: 'token', values: 0, state: 'same' } as const

    observer.passed(report({ published: [token], standing }), next)

    const outputs = document(statusDirectory)['outputs']
    expect(outputs).toMatchObject([{ name: 'token' }, { name: 'db.yaml', state: 'fresh' }])
    expect(JSON.stringify(outputs)).not.toContain('changedAt')
  })

  test("a token's age is that of the file it was asked into", async () => {
    const directory = await onDisk()
    const path = join(directory, 'access-token')
    writeFileSync(path, '{}')
    utimesSync(path, new Date(NOW - 60_000), new Date(NOW - 60_000))
    const { observer, statusDirectory, report } = await watching(
      { CONJUR_AUTHN_TOKEN_FILE: path },
      wakingUp,
    )
    const token = { name: 'access-token', kind: 'token', values: 0, state: 'same' } as const

    observer.passed(report({ published: [token] }), next)

    expect(document(statusDirectory)['outputs']).toMatchObject([
      { name: 'access-token', changedAt: '2026-01-20T08:59:00.000Z' },
    ])
  })
})

test('a token alone does not make an agent ready that has values to bring', async () => {
  const away = new ConjurError('CONJUR_UNAVAILABLE', 'away', { hint: 'h' })
  const retry = { error: away, attempt: 1, waitMs: 1000 }
  const published = [{ name: 'token', kind: 'token', values: 0, state: 'written' }] as const
  const isReady = async (environment: Readonly<Record<string, string>>): Promise<unknown> => {
    const { observer, statusDirectory, report } = await watching(environment)
    observer.passed(report({ published, error: away }), { ...next, retry })
    return document(statusDirectory)['ready']
  }

  expect(await isReady({})).toBe(false)
  expect(await isReady({ CONJUR_SECRETS__DB: '' })).toBe(true)
})

test('what happens between passes is told', async () => {
  const { observer, lines } = await watching()
  const reason = new IdentityError('IDENTITY_NOT_READY', 'not yet', { hint: 'h' })

  observer.identityRetry(reason, 1500)
  observer.handedOver({ why: 'it is of another host', isOld: false })
  observer.reloaded({ group: 'db', kind: 'signal', result: 'done', what: 'SIGHUP to 7' })
  observer.switched({ from: 'a.example.com', to: 'b.example.com', why: 'a.example.com is away' })

  expect(lines.slice(1).map(({ level, code, msg }) => [level, code, msg])).toEqual([
    ['warn', 'IDENTITY_NOT_READY', 'not yet; again in 1.5 s'],
    ['info', 'TOKEN_NOT_TAKEN', 'the access token of the file is not used: it is of another host'],
    ['info', 'RELOAD', 'told the application: SIGHUP to 7'],
    ['warn', 'SERVER_SWITCHED', 'a.example.com is away; b.example.com is asked from now on'],
  ])
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

  test('and that of metrics are not served where they are off', async () => {
    const { observer, lines } = await watching()

    await observer.listen(() => undefined)
    await observer.close()

    expect(lines.map(({ code }) => code)).toEqual(['STARTED'])
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
