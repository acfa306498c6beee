import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FaultKind } from '../../src/devserver/faults.ts'
import { record, scaled, stopwatch } from '../support/attack.ts'
import { startCollector } from '../support/collector.ts'
import { freePort } from '../support/free-port.ts'
import { hunt, type Channels } from '../support/hunt.ts'
import { EXECUTABLE } from '../support/program.ts'
import { workbench, type Workbench } from '../support/workbench.ts'

const canary = (): string => `canary-${randomBytes(12).toString('hex')}`

const secrets: Record<string, string> = {
  'a password': canary(),
  'an API key': canary(),
  'a value with every quote': `${canary()}'"\`$\\ \n<&`,
  'a header of the collector': canary(),
}

let bench: Workbench
let reports: string

beforeEach(async () => {
  bench = await workbench({ tokenTtlSeconds: 4 })
  bench.conjur.setValue('apps/db-password', secrets['a password'] ?? '')
  bench.conjur.setValue('apps/api-key', secrets['an API key'] ?? '')
  bench.conjur.setValue('apps/with,comma', secrets['a value with every quote'] ?? '')
  reports = join(bench.directory, 'reports')
  for (const name of ['status', 'reports']) mkdirSync(join(bench.directory, name))
})

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

/** Everything secret by now, tokens and their parts included. */
function everySecret(): Readonly<Record<string, string>> {
  const jwt = readFileSync(bench.environment['JWT_TOKEN_PATH'] ?? '', 'utf8')
  const token = existsSync(bench.tokenFile) ? readFileSync(bench.tokenFile, 'utf8') : ''
  const parts = token === '' ? {} : (JSON.parse(token) as Record<string, string>)
  return {
    ...secrets,
    'the platform token': jwt,
    'its signature': jwt.split('.')[2] ?? '',
    'the access token': token,
    'the signature of the access token': parts['signature'] ?? '',
    'the payload of the access token': parts['payload'] ?? '',
  }
}

function settings(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    LOG_LEVEL: 'debug',
    CONJUR_SECRETS__MORE: '- key: apps/api-key\n- comma: "apps/with,comma"',
    CONJUR_SECRET_FILE_FORMAT__MORE: 'yaml',
    CONJUR_STATUS_DIRECTORY: join(bench.directory, 'status'),
    NODE_OPTIONS: `--report-on-fatalerror --report-uncaught-exception --report-on-signal --report-signal=SIGUSR2 --report-directory=${reports}`,
    ...more,
  }
}

/** What lies around afterwards, outside the volume. */
function filesOf(...directories: readonly string[]): Channels {
  const found: Record<string, string> = {}
  for (const directory of directories) {
    for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
      const path = join(directory, name)
      try {
        found[`file ${name}`] = readFileSync(path, 'latin1')
      } catch {
        // A directory.
      }
    }
  }
  return found
}

describe('P2 the hunter finds a secret that was planted', () => {
  const planted = { planted: 'canary-0123456789abcdef?>~ü' }

  test.each([
    ['as it is', (text: string) => text],
    ['in JSON', (text: string) => JSON.stringify({ a: text })],
    ['in base64, behind anything', (text: string) => Buffer.from(`x${text}`).toString('base64')],
    ['in base64, behind more', (text: string) => Buffer.from(`xy${text}`).toString('base64')],
    ['in base64url', (text: string) => Buffer.from(`xyz${text}`).toString('base64url')],
    ['in hexadecimal', (text: string) => Buffer.from(text).toString('hex')],
    ['in a URL', (text: string) => `https://x/?a=${encodeURIComponent(text)}`],
    ['backwards', (text: string) => text.split('').toReversed().join('')],
  ])('%s', (_how, hide) => {
    const leaks = hunt(planted, { log: `before ${hide(planted.planted)} after` })

    expect(leaks).not.toEqual([])
    expect(hunt(planted, { log: 'nothing' })).toEqual([])
  })
})

const FAULTS: readonly (FaultKind | 'none')[] = [
  'none',
  'unavailable',
  'unauthenticated',
  'drop',
  'error',
  'outage',
  'slow',
]

test(
  'P2 a sidecar lets out no secret: log, status, metrics, traces, reports, argv, environment, file names; with every fault',
  async () => {
    await using collector = await startCollector()
    const port = await freePort()
    const agent = bench.start(
      ['sidecar'],
      settings({
        CONJUR_SECRETS_REFRESH_INTERVAL: '1s',
        CONJUR_STATUS_LISTEN: `127.0.0.1:${port}`,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url.href,
        OTEL_EXPORTER_OTLP_HEADERS: `api-key=${secrets['a header of the collector']}`,
      }),
    )
    await agent.line(({ code }) => code === 'PUBLISHED')
    const took = stopwatch()
    const served: string[] = []
    const at = async (path: string): Promise<void> => {
      served.push(await (await fetch(`http://127.0.0.1:${port}${path}`)).text())
    }
    const rounds = scaled(1, 20)
    for (let round = 0; round < rounds; round++) {
      for (const kind of FAULTS) {
        if (kind !== 'none') bench.conjur.faults.add({ kind, times: 2, delayMs: 50 })
        const value = canary()
        secrets[`a password, ${secrets['a password']?.length} ${round} ${kind}`] = value
        bench.conjur.setValue('apps/db-password', value)
        const published = agent.stderr().split('"PUBLISHED"').length
        await agent.line(() => agent.stderr().split('"PUBLISHED"').length > published)
        for (const path of ['/metrics', '/status', '/readyz', '/livez', '/nowhere']) await at(path)
      }
    }
    if (EXECUTABLE === undefined) agent.kill('SIGUSR2')
    else writeFileSync(join(reports, 'none'), 'only Node makes reports')
    await expect.poll(() => readdirSync(reports).length, { timeout: 30_000 }).toBeGreaterThan(0)
    const proc = `/proc/${agent.pid}`
    const channels: Channels = {
      output: agent.output(),
      argv: readFileSync(`${proc}/cmdline`, 'latin1'),
      served: served.join('\n'),
      traces: JSON.stringify(collector.requests.map(({ body }) => body)),
      'names on the volume': readdirSync(bench.directory, { recursive: true }).join('\n'),
      ...filesOf(reports, join(bench.directory, 'status')),
    }
    agent.kill('SIGTERM')
    await agent.ended

    const all = everySecret()
    record('P2 sidecar', {
      tried: {
        'secrets and tokens looked for': Object.keys(all).length,
        'channels looked into': Object.keys(channels).length,
        faults: rounds * FAULTS.length,
      },
      lost: { 'secrets found': hunt(all, channels).length },
      seconds: took(),
    })
    expect(hunt(all, channels)).toEqual([])
    expect(channels['traces']).not.toBe('[]')
  },
  scaled(120_000, 1_200_000),
)

test.each<[string, readonly string[], Readonly<Record<string, string>>]>([
  ['init', ['init'], {}],
  [
    'init that is refused',
    ['init'],
    { CONJUR_AUTHN_LOGIN: 'host/apps/stranger', RETRY_COUNT_LIMIT: '0' },
  ],
  [
    'init with a value that its format cannot carry',
    ['init'],
    { CONJUR_SECRETS__BIN: '- b: apps/binary' },
  ],
  ['init that may not read a value', ['init'], { CONJUR_SECRETS__L: '- l: apps/locked' }],
  [
    'init with a template that fails on its value',
    ['init'],
    {
      CONJUR_SECRETS__T: '- p: apps/db-password',
      CONJUR_SECRET_FILE_TEMPLATE__T: '{{ index (secret "p") "x" }}',
    },
  ],
  ['doctor', ['doctor'], {}],
  ['doctor for machines', ['doctor', '--json'], {}],
  ['policy', ['policy'], {}],
  ['policy with values', ['policy', '--values'], {}],
  ['rbac', ['rbac'], {}],
  ['status', ['status'], {}],
  ['a token where an address belongs', ['init'], { CONJUR_APPLIANCE_URL: 'SECRET' }],
  ['a token behind a flag that does not exist', ['init', '--nonsense', 'SECRET'], {}],
])('P2 %s lets out no secret, whatever it says', async (_what, argv, environment) => {
  // Whoever types a token where something else belongs must not read it in a log.
  const token = readFileSync(bench.environment['JWT_TOKEN_PATH'] ?? '', 'utf8')
  const given = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, value.replace('SECRET', token)]),
  )
  const words = argv.map((word) => word.replace('SECRET', token))

  const ran = bench.start(words, settings(given))
  await ran.ended

  const channels = {
    output: ran.output(),
    ...filesOf(reports, join(bench.directory, 'status')),
  }
  const all = everySecret()
  expect(ran.output()).not.toBe('')
  expect(hunt(all, channels)).toEqual([])
})

test.skipIf(EXECUTABLE !== undefined)(
  'P2 a crash of our own with a secret in its message leaves no trace of it',
  async () => {
    const planted = join(bench.directory, 'plant.cjs')
    writeFileSync(
      planted,
      `setTimeout(() => { throw new Error(${JSON.stringify(secrets['a password'])}) }, 600)`,
    )
    for (const how of ['throw', 'reject']) {
      if (how === 'reject') {
        const text = `setTimeout(() => void Promise.reject(new Error(${JSON.stringify(secrets['an API key'])})), 600)`
        writeFileSync(planted, text)
      }
      const agent = bench.start(['sidecar'], settings(), { node: ['--require', planted] })

      expect((await agent.ended).code).toBe(1)
      expect(hunt(everySecret(), { output: agent.output(), ...filesOf(reports) })).toEqual([])
    }
  },
)

test('P2 exec gives its child the values, and neither the platform token nor the access token', async () => {
  const seen = join(bench.directory, 'environ')
  const agent = bench.start(
    ['exec', '--', 'sh', '-c', `cat /proc/self/environ > ${seen}; exec sleep 60`],
    settings(),
  )
  await expect
    .poll(() => existsSync(seen) && readFileSync(seen, 'latin1').includes('PASSWORD='), {
      timeout: 30_000,
    })
    .toBe(true)
  const argv = readFileSync(`/proc/${agent.pid}/cmdline`, 'latin1')
  agent.kill('SIGTERM')
  await agent.ended

  const child = readFileSync(seen, 'latin1')
  const {
    'a password': password = '',
    'an API key': key = '',
    'a value with every quote': quoted = '',
  } = secrets
  expect(child).toContain(password)
  const tokens = Object.fromEntries(
    Object.entries(everySecret()).filter(([, value]) => ![password, key, quoted].includes(value)),
  )
  expect(hunt(tokens, { child })).toEqual([])
  expect(hunt(everySecret(), { output: agent.output(), argv, ...filesOf(reports) })).toEqual([])
})

test('P2 the devserver shows no value', async () => {
  const port = await freePort()
  const values = join(bench.directory, 'values.yml')
  const policy = join(bench.directory, 'policy.yml')
  writeFileSync(policy, '- !variable apps/key\n- !host apps/web\n')
  writeFileSync(values, `apps/key: ${secrets['an API key']}\n`)
  const server = bench.start(
    [
      'devserver',
      '--policy',
      policy,
      '--values',
      values,
      '--listen',
      `127.0.0.1:${port}`,
      '--explain',
    ],
    {},
  )
  await expect.poll(() => server.output(), { timeout: 30_000 }).toContain(String(port))
  server.kill('SIGTERM')
  await server.ended

  expect(hunt(secrets, { output: server.output() })).toEqual([])
})
