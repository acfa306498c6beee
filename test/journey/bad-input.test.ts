import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { testCa, type TestCa } from '../support/certificate.ts'
import { loopbackServer, type LoopbackServer } from '../support/loopback-server.ts'
import { accessTokenJson } from '../support/scripted-send.ts'
import { CANARY, metadataService, workbench, type Workbench } from '../support/workbench.ts'

let bench: Workbench
let ca: TestCa

beforeAll(async () => {
  bench = await workbench()
  ca = await testCa('Another CA')
})

afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

beforeEach(async () => {
  bench.conjur.faults.clear()
  await bench.projectToken()
  await rm(bench.secrets, { recursive: true, force: true })
  const first = bench.start(['init'])
  expect((await first.ended).code).toBe(0)
})

/** Short waits: what is tried again is tried once. */
const hasty = {
  RETRY_COUNT_LIMIT: '1',
  RETRY_INTERVAL_SEC: '1',
  CONJUR_IDENTITY_TIMEOUT: '1s',
  CONJUR_HTTP_TIMEOUT: '1',
}

interface Expected {
  readonly exit: number
  readonly head: string | RegExp
  readonly hint: RegExp
}

/** Runs init with something wrong and holds its last two lines, its exit code, and the set that was there before. */
async function refuses(
  environment: Record<string, string>,
  { exit, head, hint }: Expected,
): Promise<void> {
  const before = readFileSync(join(bench.secrets, 'db.json'), 'utf8')

  const agent = bench.start(['init'], { ...hasty, LOG_LEVEL: 'debug', ...environment })
  const { code } = await agent.ended

  const talk = agent
    .stderr()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'))
  if (typeof head === 'string') expect(talk[0]).toBe(head)
  else expect(talk[0]).toMatch(head)
  expect(talk.at(-1)).toMatch(/^hint: /)
  expect(talk.at(-1)).toMatch(hint)
  expect(code).toBe(exit)
  expect(agent.output()).not.toContain(CANARY)
  expect(agent.output()).not.toMatch(/eyJ[\w-]{20}/)
  expect(agent.output()).not.toMatch(/\n\s+at /)
  expect(readFileSync(join(bench.secrets, 'db.json'), 'utf8')).toBe(before)
}

test('P6 a wrong URL and an unknown annotation come together, before anything is sent', async () => {
  const annotations = join(bench.directory, 'annotations')
  await writeFile(annotations, 'conjur.org/conjur-secret.db="- a"\n')
  const sent = new Map(bench.conjur.requests)

  await refuses(
    { CONJUR_APPLIANCE_URL: 'conjur.example.com', CONJUR_ANNOTATIONS_FILE: annotations },
    { exit: 3, head: 'CONFIG_INVALID: 2 problems; nothing was sent', hint: /conjur-agent help/ },
  )

  expect(bench.conjur.requests).toEqual(sent)
})

test('a refused connection', async () => {
  const gone = await loopbackServer(() => undefined)
  await gone.close()

  await refuses(
    { CONJUR_APPLIANCE_URL: `https://127.0.0.1:${gone.port}` },
    {
      exit: 5,
      head: `CONJUR_UNREACHABLE: 127.0.0.1:${gone.port} refuses the connection`,
      hint: /curl -v/,
    },
  )
})

test('a name that does not resolve', async () => {
  await refuses(
    { CONJUR_APPLIANCE_URL: 'https://conjur.invalid' },
    {
      exit: 5,
      head: 'CONJUR_UNREACHABLE: the name conjur.invalid does not resolve',
      hint: /DNS name/,
    },
  )
})

test('a wrong CA', async () => {
  await refuses(
    { CONJUR_SSL_CERTIFICATE: ca.cert },
    {
      exit: 5,
      head: /^CONJUR_UNTRUSTED: the certificate of 127\.0\.0\.1:\d+ is signed by nobody we trust$/,
      hint: /CONJUR_SSL_CERTIFICATE.*openssl s_client/,
    },
  )
})

test('a CA file that is not there', async () => {
  await refuses(
    { CONJUR_SSL_CERTIFICATE: '', CONJUR_CERT_FILE: '/nowhere/ca.pem' },
    {
      exit: 3,
      head: /^CONFIG_UNREADABLE: CONJUR_CERT_FILE \/nowhere\/ca\.pem: ENOENT/,
      hint: /mount/,
    },
  )
})

test.each([
  ['missing', undefined, /^IDENTITY_ABSENT: there is no token file /, 4],
  ['empty', '', /^IDENTITY_MALFORMED: .* is empty$/, 4],
  ['garbage', 'not a token', /^IDENTITY_MALFORMED: .* is no JWT/, 4],
  ['cut', 'eyJhbGciOiJSUzI1NiJ9.eyJz', /^IDENTITY_MALFORMED: .* three parts/, 4],
])('a token file that is %s', async (_name, content, head, exit) => {
  const file = join(bench.directory, 'bad-jwt')
  await rm(file, { force: true })
  if (content !== undefined) await writeFile(file, content)

  await refuses({ JWT_TOKEN_PATH: file }, { exit, head, hint: /JWT_TOKEN_PATH/ })
})

test('an expired token', async () => {
  await bench.projectToken({ exp: Math.floor(Date.now() / 1000) - 60 })

  await refuses({}, { exit: 4, head: /^IDENTITY_EXPIRED: .* expired 6\d s ago$/, hint: /date -u/ })
})

const html = { status: 200, body: '<html>sign in</html>', headers: { 'content-type': 'text/html' } }

test.each([
  ['404', { status: 404, body: '{"error":"Not found"}' }, /^IDENTITY_\w+: .*404/],
  ['429', { status: 429, body: '', headers: { 'retry-after': '2' } }, /^IDENTITY_NOT_READY: .*429/],
  ['500', { status: 500, body: '{"error":"unknown"}' }, /^IDENTITY_NOT_READY: .*500/],
  ['HTML', html, /^IDENTITY_\w+: /],
  [
    '400 Identity not found',
    { status: 400, body: '{"error":"invalid_request","error_description":"Identity not found"}' },
    'IDENTITY_ABSENT: no managed identity is attached to this machine',
  ],
])('a metadata service that answers %s', async (_name, answer, head) => {
  await using imds = await metadataService(async () => answer)

  await refuses(
    {
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      AZURE_POD_IDENTITY_AUTHORITY_HOST: imds.url.origin,
    },
    { exit: 4, head, hint: /./ },
  )
})

test('a metadata service that is not there', async () => {
  const gone = await loopbackServer(() => undefined)
  await gone.close()

  await refuses(
    {
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      AZURE_POD_IDENTITY_AUTHORITY_HOST: gone.url.origin,
    },
    { exit: 4, head: /^IDENTITY_\w+: .*127\.0\.0\.1/, hint: /Metadata:true/ },
  )
})

test('a host that Conjur does not let use the authenticator', async () => {
  await refuses(
    { CONJUR_AUTHN_LOGIN: 'host/apps/stranger' },
    {
      exit: 5,
      head: 'CONJUR_FORBIDDEN: Conjur knows host/apps/stranger but does not let it use authn-jwt/prod (403)',
      hint: /grant it authenticate on webservice conjur\/authn-jwt\/prod/,
    },
  )
})

test('a host that Conjur does not know', async () => {
  await refuses(
    { CONJUR_AUTHN_LOGIN: 'host/apps/nobody' },
    {
      exit: 5,
      head: 'CONJUR_UNAUTHENTICATED: Conjur refuses login host/apps/nobody with authn-jwt/prod (401)',
      hint: /Conjur's own log/,
    },
  )
})

test('variables that are missing, hidden and locked come in one report', async () => {
  await refuses(
    { CONJUR_SECRETS__OTHER: '- apps/db-user\n- apps/unset\n- apps/hidden\n- apps/locked' },
    { exit: 5, head: /^CONJUR_NOT_FOUND: variable apps\/unset /, hint: /group other/ },
  )
})

/** A server with a certificate that the agent trusts, and answers of its own. */
async function pretender(
  answer: (url: string, response: ServerResponse) => void,
): Promise<LoopbackServer> {
  return loopbackServer(
    (request, response) => answer(request.url ?? '', response),
    await ca.issue(),
  )
}

const token = accessTokenJson({ iat: 1, exp: 481, sub: 'host/apps/web' })

const answers: readonly (readonly [string, (response: ServerResponse) => void, string])[] = [
  ['400', (response) => response.writeHead(400).end(), 'CONJUR_REJECTED'],
  ['401', (response) => response.writeHead(401).end(), 'CONJUR_UNAUTHENTICATED'],
  [
    '401 CONJ00016E',
    (response) =>
      response
        .writeHead(401)
        .end('{"error":{"code":"unauthorized","message":"CONJ00016E Token expired"}}'),
    'CONJUR_UNAUTHENTICATED',
  ],
  ['403', (response) => response.writeHead(403).end(), 'CONJUR_FORBIDDEN'],
  ['404', (response) => response.writeHead(404).end(), 'CONJUR_NOT_FOUND'],
  ['500', (response) => response.writeHead(500).end(), 'CONJUR_UNAVAILABLE'],
  ['503', (response) => response.writeHead(503).end(), 'CONJUR_UNAVAILABLE'],
  [
    '302',
    (response) => response.writeHead(302, { location: 'https://elsewhere/' }).end(),
    'CONJUR_BAD_REPLY',
  ],
  ['a cut connection', (response) => response.socket?.destroy(), 'CONJUR_UNREACHABLE'],
  ['silence', () => undefined, 'CONJUR_UNREACHABLE'],
  [
    'a slow body',
    (response) => {
      response.writeHead(200, { 'content-length': '500' })
      response.write('{')
    },
    'CONJUR_UNREACHABLE',
  ],
  [
    'an endless body',
    (response) => {
      response.writeHead(200)
      const more = (error?: Error | null): void => {
        if (!error && !response.socket?.destroyed) response.write(' '.repeat(65_536), more)
      }
      more()
    },
    'CONJUR_UNREACHABLE',
  ],
  ['JSON that is no token', (response) => response.end('{"protected":"x"}'), 'CONJUR_BAD_REPLY'],
  ['HTML', (response) => response.end('<html>'), 'CONJUR_BAD_REPLY'],
]

test.each(answers)('a login that is answered with %s', async (_name, answer, code) => {
  await using server = await pretender((_url, response) => answer(response))

  await refuses(
    { CONJUR_APPLIANCE_URL: server.url.origin, CONJUR_SSL_CERTIFICATE: ca.cert },
    { exit: 5, head: new RegExp(`^${code}: `), hint: /./ },
  )
})

test.each([
  [
    '401',
    (response: ServerResponse) => response.writeHead(401).end('Unauthorized: Invalid token'),
    'CONJUR_UNAUTHENTICATED',
  ],
  [
    '403 HTML',
    (response: ServerResponse) => response.writeHead(403).end('<html>blocked'),
    'CONJUR_REJECTED',
  ],
  [
    '404 HTML',
    (response: ServerResponse) =>
      response.writeHead(404, { 'content-type': 'text/html' }).end('<html>db-404'),
    'CONJUR_REJECTED',
  ],
  ['500', (response: ServerResponse) => response.writeHead(500).end(), 'CONJUR_UNAVAILABLE'],
  ['HTML', (response: ServerResponse) => response.end('<html>'), 'CONJUR_BAD_REPLY'],
] as const)('P4 values that are answered with %s', async (_name, answer, code) => {
  await using server = await pretender((url, response) =>
    url.endsWith('/authenticate') ? response.end(token) : answer(response),
  )

  await refuses(
    { CONJUR_APPLIANCE_URL: server.url.origin, CONJUR_SSL_CERTIFICATE: ca.cert },
    { exit: 5, head: new RegExp(`^${code}: `), hint: /./ },
  )
})

test('a token file that cannot be written where it was asked for', async () => {
  await writeFile(join(bench.directory, 'plain'), '')

  await refuses(
    { CONJUR_AUTHN_TOKEN_FILE: join(bench.directory, 'plain/token') },
    { exit: 6, head: /^OUTPUT_UNWRITABLE: /, hint: /./ },
  )
})

test('a directory that stands where a file belongs', async () => {
  const secrets = join(bench.directory, 'blocked')
  await mkdir(join(secrets, 'db.json/inner'), { recursive: true })

  await refuses(
    { CONJUR_SECRETS_DIRECTORY: secrets },
    { exit: 6, head: /^OUTPUT_BLOCKED: /, hint: /mv|move|ls -la/ },
  )

  expect(existsSync(join(secrets, 'db.json/inner'))).toBe(true)
})

test('a secrets directory that must be in memory and is not', async () => {
  await refuses(
    {
      CONJUR_SECRETS_DIRECTORY: join(import.meta.dirname, '../../dist/no-tmpfs'),
      CONJUR_REQUIRE_TMPFS: 'true',
    },
    { exit: 6, head: /^OUTPUT_NOT_TMPFS: /, hint: /medium: Memory/ },
  )
})
