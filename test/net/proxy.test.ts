import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { SendFailure, type HttpRequest } from '../../src/core/http.ts'
import { proxyFor } from '../../src/net/proxy.ts'
import { createSender } from '../../src/net/send.ts'
import { testCa } from '../support/certificate.ts'
import { loopbackServer } from '../support/loopback-server.ts'
import { tunnelProxy, type TunnelProxy } from '../support/tunnel-proxy.ts'

const open: (() => unknown)[] = []

afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

const ca = await testCa()
const certificate = await ca.issue({ names: ['conjur.example'] })

async function proxy(port: number, status = 200): Promise<TunnelProxy> {
  const made = await tunnelProxy(port, { answers: [status] })
  open.push(() => made[Symbol.asyncDispose]())
  return made
}

/** The same with credentials. */
function shown({ url: { host } }: TunnelProxy): URL {
  return new URL(`http://user:p%40ss@${host}`)
}

function get(url: URL): HttpRequest {
  const { signal } = new AbortController()
  return { method: 'GET', url, deadlineMs: 5000, maxBodyBytes: 1024, signal }
}

async function conjur(): Promise<number> {
  const server = await loopbackServer((_request, response) => response.end('ok'), certificate)
  open.push(() => server.close())
  return server.port
}

test('a request goes through the proxy by CONNECT, its TLS from end to end, on one connection', async () => {
  const through = await proxy(await conjur())
  const { send, close } = createSender({
    ca: async () => ca.cert,
    proxy: { proxy: shown(through), except: [] },
    connectTimeoutMs: 2000,
  })
  open.push(close)

  const first = await send(get(new URL('https://conjur.example/secrets')))
  await send(get(new URL('https://conjur.example/secrets')))

  expect(first.body.toString()).toBe('ok')
  expect(through.asked.map((request) => request.url)).toEqual(['conjur.example:443'])
  expect(through.asked[0]?.headers['proxy-authorization']).toBe(
    `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
  )
})

test('P8 a proxy that breaks TLS open with a certificate of its own gets nothing', async () => {
  const through = await proxy(await conjur())
  const { send, close } = createSender({
    proxy: { proxy: shown(through), except: [] },
    connectTimeoutMs: 2000,
  })
  open.push(close)

  await expect(send(get(new URL('https://conjur.example/')))).rejects.toMatchObject({
    kind: 'tls-untrusted',
  })
})

test.each([403, 407, 502])(
  'a proxy that refuses with %i is named, without its password',
  async (status) => {
    const through = await proxy(await conjur(), status)
    const { send, close } = createSender({
      proxy: { proxy: shown(through), except: [] },
      connectTimeoutMs: 2000,
    })
    open.push(close)

    const failure = await send(get(new URL('https://conjur.example/'))).catch(
      (error: unknown) => error,
    )

    expect(failure).toBeInstanceOf(SendFailure)
    expect(failure).toMatchObject({ message: `the proxy ${through.url.host} lets nothing through` })
  },
)

test.each(['127.0.0.1', '::1'])(
  'a proxy with TLS may be named by its address, %s',
  async (host) => {
    const proxyCa = await testCa('Proxy CA')
    const before = getCACertificates()
    setDefaultCACertificates([proxyCa.cert])
    open.push(() => setDefaultCACertificates(before))
    const tls = await proxyCa.issue({ names: [host] })
    const through = await tunnelProxy(await conjur(), { host, tls })
    open.push(() => through[Symbol.asyncDispose]())
    const { send, close } = createSender({
      ca: async () => ca.cert,
      proxy: { proxy: through.url, except: [] },
      connectTimeoutMs: 2000,
    })
    open.push(close)

    const reply = await send(get(new URL('https://conjur.example/')))

    expect(reply.status).toBe(200)
  },
)

test('a proxy that is away is named, not the host behind it', async () => {
  const { send, close } = createSender({
    proxy: { proxy: new URL('http://127.0.0.1:1'), except: [] },
    connectTimeoutMs: 2000,
  })
  open.push(close)

  await expect(send(get(new URL('https://conjur.example/')))).rejects.toThrow(
    'the proxy 127.0.0.1:1 lets nothing through',
  )
})

test.each([
  ['https://conjur.example', [], true],
  ['http://conjur.example', [], false],
  ['https://127.0.0.1', [], false],
  ['https://localhost:8443', [], false],
  ['https://[::1]:8443', [], false],
  ['https://169.254.169.254', [], false],
  ['https://conjur.example', ['*'], false],
  ['https://conjur.example', ['Conjur.Example'], false],
  ['https://a.conjur.example', ['conjur.example'], false],
  ['https://notconjur.example', ['conjur.example'], true],
  ['https://conjur.example', ['.conjur.example'], true],
  ['https://a.conjur.example', ['*.conjur.example'], false],
  ['https://conjur.example', ['conjur.example:8443'], true],
  ['https://conjur.example:8443', [' conjur.example:8443 '], false],
  ['https://conjur.example', ['conjur.example:443'], false],
  ['https://10.1.2.3', ['10.0.0.0/8'], false],
  ['https://11.1.2.3', ['10.0.0.0/8', ''], true],
  ['https://10.1.2.3', ['10.1.2.3'], false],
  ['https://[fd00::7]', ['fd00::/8'], false],
  ['https://[fd00::7]', ['fd00::7'], false],
  ['https://[fd00::7]:8443', ['[fd00::7]:8443'], false],
  ['https://10.1.2.3', ['10.0.0.0/nonsense'], true],
])('%s without %j: through the proxy: %s', (target, except, isThrough) => {
  const given = new URL('http://proxy.example:3128')

  const found = proxyFor(new URL(target), { proxy: given, except })

  expect(found).toBe(isThrough ? given : undefined)
})
