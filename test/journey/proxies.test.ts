import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AgentProcess } from '../support/agent-process.ts'
import { testCa, type TestCa } from '../support/certificate.ts'
import { rawServer, type RawServer } from '../support/raw-server.ts'
import { accessTokenJson } from '../support/scripted-send.ts'
import { tunnelProxy } from '../support/tunnel-proxy.ts'
import { CANARY, workbench, type Workbench } from '../support/workbench.ts'

/*
 * The built program behind a proxy, whichever engine it runs on. A proxy never stands before this
 * machine, so Conjur has a name here that only the proxy knows the way to.
 */

const HOST = 'conjur.invalid'

let bench: Workbench
let ca: TestCa
let conjur: RawServer
let port: number
let user: string

beforeEach(async () => {
  user = 'web'
  bench = await workbench()
  ca = await testCa()
  conjur = await rawServer(await ca.issue({ names: [HOST] }), (socket, head) =>
    socket.write(head.startsWith('POST') ? ok(token) : ok(values())),
  )
  port = Number(new URL(conjur.origin).port)
})

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
  await conjur[Symbol.asyncDispose]()
})

const token = accessTokenJson({ iat: 1, exp: 481, sub: 'host/apps/web' })

function values(): string {
  return JSON.stringify({
    'acme:variable:apps/db-user': user,
    'acme:variable:apps/db-password': `${CANARY}-password`,
  })
}

function ok(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** An agent that is to reach our Conjur by its name; what is tried again is tried once. */
function agent(environment: Record<string, string>, command = 'init'): AgentProcess {
  return bench.start([command], {
    CONJUR_APPLIANCE_URL: `https://${HOST}`,
    CONJUR_SSL_CERTIFICATE: ca.cert,
    RETRY_COUNT_LIMIT: '0',
    LOG_LEVEL: 'debug',
    ...environment,
  })
}

/** Waits for an init that fails: exit 5, one line that says why, nothing secret said. */
async function whyOf(failing: AgentProcess): Promise<string> {
  const { code } = await failing.ended
  expect(code).toBe(5)
  expect(failing.output()).not.toMatch(new RegExp(`${CANARY}|eyJ[\\w-]{20}`))
  return /^CONJUR_.*/m.exec(failing.stderr())?.[0] ?? failing.stderr()
}

test.each(['HTTPS_PROXY', 'https_proxy'])(
  'what %s names is asked for one tunnel, is shown its credentials and nothing of the rest',
  async (name) => {
    await using proxy = await tunnelProxy(port)
    const through = agent({ [name]: `http://user:${CANARY}%40@${proxy.url.host}` })

    expect((await through.ended).code).toBe(0)

    expect(proxy.asked.map(({ method, url }) => `${method} ${url}`)).toEqual([
      `CONNECT ${HOST}:443`,
    ])
    expect(proxy.asked[0]?.headers).toMatchObject({
      'proxy-authorization': `Basic ${Buffer.from(`user:${CANARY}@`).toString('base64')}`,
    })
    expect(conjur.heard.map((head) => head.split(' ', 1)[0])).toEqual(['POST', 'GET'])
    expect(conjur.heard.join('\n')).not.toMatch(/^proxy-/im)
    expect(JSON.parse(await bench.read('db.json'))).toMatchObject({ user: 'web' })
    expect(through.output()).not.toContain(CANARY)
  },
)

test('a processor that lacks what the faster parser of replies needs gets through too', async () => {
  await using proxy = await tunnelProxy(port)
  const through = agent({ HTTPS_PROXY: proxy.url.href, UNDICI_NO_WASM_SIMD: '1' })

  expect((await through.ended).code).toBe(0)
})

test.each([
  ['NO_PROXY', 'other.example, .invalid'],
  ['no_proxy', HOST],
])('what %s names is reached without it', async (name, rule) => {
  await using proxy = await tunnelProxy(port)
  const straight = agent({ HTTPS_PROXY: proxy.url.href, [name]: rule })

  expect(await whyOf(straight)).toBe(`CONJUR_UNREACHABLE: the name ${HOST} does not resolve`)

  expect(proxy.asked).toEqual([])
})

test('this machine is reached without it, whatever an engine makes of the environment', async () => {
  await using proxy = await tunnelProxy(port)
  const nowhere = proxy.url.href
  const straight = bench.start(['init'], {
    HTTPS_PROXY: nowhere,
    HTTP_PROXY: nowhere,
    ALL_PROXY: nowhere,
    NO_PROXY: '',
    NODE_USE_ENV_PROXY: '1',
  })

  expect((await straight.ended).code).toBe(0)

  expect(proxy.asked).toEqual([])
})

test.each([403, 407, 502])('a proxy that refuses with %i is named', async (answer) => {
  await using proxy = await tunnelProxy(port, { answers: [answer] })
  const refused = agent({ HTTPS_PROXY: `http://user:${CANARY}@${proxy.url.host}` })

  expect(await whyOf(refused)).toBe(
    `CONJUR_UNREACHABLE: the proxy ${proxy.url.host} lets nothing through`,
  )

  expect(conjur.heard).toEqual([])
})

test('a proxy that is away is named', async () => {
  const refused = agent({ HTTPS_PROXY: '127.0.0.1:1' })

  expect(await whyOf(refused)).toBe(
    'CONJUR_UNREACHABLE: the proxy 127.0.0.1:1 lets nothing through',
  )
})

test('a proxy that never answers is given up at the deadline', async () => {
  await using proxy = await tunnelProxy(port, { answers: ['silent'] })
  const hung = agent({ HTTPS_PROXY: proxy.url.href, CONJUR_HTTP_TIMEOUT: '1' })

  expect(await whyOf(hung)).toBe(
    `CONJUR_UNREACHABLE: the proxy ${proxy.url.host} lets nothing through`,
  )
})

test('a tunnel that hung is not waited for again, and nothing that was given up goes through the next', async () => {
  await using proxy = await tunnelProxy(port, { answers: ['silent', 200] })
  const late = agent({
    HTTPS_PROXY: proxy.url.href,
    CONJUR_HTTP_TIMEOUT: '1',
    RETRY_COUNT_LIMIT: '1',
  })

  expect((await late.ended).code).toBe(0)

  expect(proxy.asked).toHaveLength(2)
  expect(conjur.heard.map((head) => head.split(' ', 1)[0])).toEqual(['POST', 'GET'])
})

test('P7 a signal ends a sidecar that a proxy keeps waiting', async () => {
  await using proxy = await tunnelProxy(port, { answers: ['silent'] })
  const asked = proxy.next()
  const waiting = agent({ HTTPS_PROXY: proxy.url.href }, 'sidecar')
  await asked

  waiting.kill('SIGTERM')

  expect((await waiting.ended).code).toBe(0)
})

test('a tunnel that is cut between two passes is made anew', async () => {
  await using proxy = await tunnelProxy(port)
  const sidecar = agent(
    { HTTPS_PROXY: proxy.url.href, CONJUR_SECRETS_REFRESH_INTERVAL: '1s' },
    'sidecar',
  )
  const first = await sidecar.line(({ code }) => code === 'PUBLISHED')

  user = 'rotated'
  proxy.cut()
  await sidecar.line(({ code, time }) => code === 'PUBLISHED' && time !== first['time'])

  expect(proxy.asked).toHaveLength(2)
  expect(JSON.parse(await bench.read('db.json'))).toMatchObject({ user: 'rotated' })
  sidecar.kill('SIGTERM')
  expect((await sidecar.ended).code).toBe(0)
})

test('P8 a proxy that breaks the TLS open with a certificate of its own is shown no request', async () => {
  const stranger = await (await testCa('Stranger')).issue({ names: [HOST] })
  await using between = await rawServer(stranger, (socket) => socket.end(ok(token)))
  await using proxy = await tunnelProxy(Number(new URL(between.origin).port))

  expect(await whyOf(agent({ HTTPS_PROXY: proxy.url.href }))).toBe(
    `CONJUR_UNTRUSTED: the certificate of ${HOST} is signed by nobody we trust`,
  )

  expect(between.heard).toEqual([])
})

test('P8 a proxy with TLS is shown its credentials where a root of the machine vouches for it, else nothing', async () => {
  const proxyCa = await testCa('Proxy CA')
  const roots = join(bench.directory, 'roots.pem')
  await writeFile(roots, proxyCa.cert)
  await using proxy = await tunnelProxy(port, { tls: await proxyCa.issue() })
  const named = { HTTPS_PROXY: `https://user:word@${proxy.url.host}` }

  expect(await whyOf(agent(named))).toBe(
    `CONJUR_UNREACHABLE: the proxy ${proxy.url.host} lets nothing through`,
  )
  expect(proxy.asked).toEqual([])

  const trusting = agent({ ...named, NODE_EXTRA_CA_CERTS: roots })
  expect((await trusting.ended).code).toBe(0)
  expect(proxy.asked.map(({ headers }) => headers['proxy-authorization'])).toEqual([
    `Basic ${Buffer.from('user:word').toString('base64')}`,
  ])
})
