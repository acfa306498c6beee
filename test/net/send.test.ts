import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { SendFailure, type HttpReply, type HttpRequest } from '../../src/core/http.ts'
import { runtimeOf } from '../../src/core/runtime.ts'
import { createSender, type Sender, type SendOptions } from '../../src/net/send.ts'
import { testCa } from '../support/certificate.ts'
import { loopbackServer, type LoopbackServer } from '../support/loopback-server.ts'

/** Under Bun, as `npm run test:executable` runs this suite too, its own client is what sends. */
const { hasNativeSend } = runtimeOf(process)

const open: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

const ca = await testCa()
const trusted = await ca.issue()

async function serve(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  tls = trusted,
): Promise<LoopbackServer> {
  const server = await loopbackServer(handler, tls)
  open.push(() => server.close())
  return server
}

function sender(options: Partial<SendOptions> = {}): Sender {
  const made = createSender({ ca: async () => ca.cert, connectTimeoutMs: 2000, ...options })
  open.push(() => made.close())
  return made
}

function get(url: URL, more: Partial<HttpRequest> = {}): HttpRequest {
  return {
    method: 'GET',
    url,
    deadlineMs: 5000,
    maxBodyBytes: 1024,
    signal: new AbortController().signal,
    ...more,
  }
}

async function kindOf(reply: Promise<HttpReply>): Promise<string> {
  const error = await reply.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof SendFailure ? error.kind : String(error)
}

test('a request goes out with the headers given, the host and no others', async () => {
  let seen: IncomingMessage | undefined
  const server = await serve((request, response) => {
    seen = request
    response.end('ok')
  })

  await sender().send(
    get(new URL('/a%2Fb?c=d,e', server.url), { headers: { 'Accept-Encoding': 'base64' } }),
  )

  expect(seen?.url).toBe('/a%2Fb?c=d,e')
  expect(seen?.headers).toEqual({
    host: server.url.host,
    connection: 'keep-alive',
    'accept-encoding': 'base64',
    ...(hasNativeSend ? { accept: '*/*', 'user-agent': `Bun/${process.versions['bun']}` } : {}),
  })
})

test('one connection serves request after request', async () => {
  const ports = new Set<number | undefined>()
  const server = await serve((request, response) => {
    ports.add(request.socket.remotePort)
    response.end('ok')
  })
  const { send } = sender()

  for (let count = 0; count < 5; count++) await send(get(server.url))

  expect(ports.size).toBe(1)
})

test('a redirect is a reply, not a journey', async () => {
  let requests = 0
  const server = await serve((_request, response) => {
    requests++
    response.writeHead(302, { location: '/elsewhere' }).end()
  })

  const reply = await sender().send(get(server.url))

  expect(reply.status).toBe(302)
  expect(requests).toBe(1)
})

test.each([
  ['tls-untrusted', async () => (await testCa('Other CA')).issue()],
  ['tls-wrong-name', () => ca.issue({ names: ['other.example'] })],
  ['tls-expired', () => ca.issue({ days: -1 })],
])('P8 a server whose certificate is %s gets nothing', async (kind, issue) => {
  let requests = 0
  const server = await serve(() => requests++, await issue())

  const reply = sender().send(get(server.url, { headers: { Authorization: 'canary' } }))

  expect(await kindOf(reply)).toBe(kind)
  expect(requests).toBe(0)
})

test('P8 a CA that is given replaces the public roots', async () => {
  const server = await serve((_request, response) => response.end('ok'))

  const reply = sender({ ca: async () => undefined }).send(get(server.url))

  expect(await kindOf(reply)).toBe('tls-untrusted')
})

test('P8 no environment variable turns the check of certificates off', async () => {
  const server = await serve((_request, response) => response.end('ok'))
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  open.push(async () => void delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'])

  const reply = sender({ ca: async () => undefined }).send(get(server.url))

  expect(await kindOf(reply)).toBe('tls-untrusted')
})

test('an intermediate CA that is given is trusted without its root, as the incumbents do', async () => {
  const intermediate = await ca.intermediate('Intermediate CA')
  const server = await serve((_request, response) => response.end('ok'), await intermediate.issue())

  const reply = await sender({ ca: async () => intermediate.cert }).send(get(server.url))

  expect(reply.status).toBe(200)
})

test('P10 the CA is asked for at each new connection', async () => {
  let pem = (await testCa('Old CA')).cert
  const server = await serve((_request, response) => response.end('ok'))
  const { send } = sender({ ca: async () => pem })
  expect(await kindOf(send(get(server.url)))).toBe('tls-untrusted')

  pem = ca.cert
  const reply = await send(get(server.url))

  expect(reply.status).toBe(200)
})

test('P10 a connection that follows another resumes its session, but never under another CA', async () => {
  const resumed: boolean[] = []
  const server = await serve(({ socket }, response) => {
    resumed.push(socket instanceof TLSSocket && socket.isSessionReused())
    response.setHeader('Connection', 'close')
    response.end()
  })
  let pem = ca.cert
  const { send } = sender({ ca: async () => pem })

  await send(get(server.url))
  await send(get(server.url))
  pem = `${ca.cert}\n${(await testCa('Next CA')).cert}`
  await send(get(server.url))

  // Bun's client resumes none.
  expect(resumed).toEqual([false, !hasNativeSend, false])
})

test('a refused connection, an unknown name and a silent server are told apart', async () => {
  const gone = await serve(() => undefined)
  await gone.close()
  const silent = await serve(() => undefined)
  const { send } = sender()

  expect(await kindOf(send(get(gone.url)))).toBe('refused')
  expect(await kindOf(send(get(new URL('https://conjur.invalid/'))))).toBe('unresolved')
  expect(await kindOf(send(get(silent.url, { deadlineMs: 100 })))).toBe('timeout')
})

test.each([
  ['at the deadline', { deadlineMs: 100 }, {}],
  ['when it may last no longer', { deadlineMs: 60_000 }, { connectTimeoutMs: 200 }],
])('a handshake that never ends is over %s', async (_when, limits, options) => {
  const sockets: Socket[] = []
  const mute = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const address = mute.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  open.push(async () => {
    for (const socket of sockets) socket.destroy()
    mute.close()
  })

  const reply = sender(options).send(get(new URL(`https://127.0.0.1:${port}/`), limits))

  expect(await kindOf(reply)).toBe('timeout')
})

test('an answer may take longer than a handshake', async () => {
  const server = await serve((_request, response) => setTimeout(() => response.end('ok'), 1500))

  const reply = await sender({ connectTimeoutMs: 1000 }).send(get(server.url))

  expect(reply.status).toBe(200)
})

test.each([
  ['reset', (response: ServerResponse) => response.socket?.destroy()],
  [
    'cut',
    (response: ServerResponse) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('half', () => response.socket?.destroy())
    },
  ],
  ['too-large', (response: ServerResponse) => response.end('x'.repeat(2000))],
  ['malformed', (response: ServerResponse) => response.socket?.write('SSH-2.0-OpenSSH\r\n\r\n')],
  [
    'timeout',
    (response: ServerResponse) => {
      response.writeHead(200)
      response.write('a')
    },
  ],
])('an answer that is %s is no reply', async (kind, answer) => {
  const server = await serve((_request, response) => answer(response))

  const reply = sender().send(get(server.url, { deadlineMs: 1000 }))

  expect(await kindOf(reply)).toBe(kind)
})

test('an endless body is left at the size it may have', async () => {
  let sent = 0
  const server = await serve((_request, response) => {
    response.writeHead(200)
    const more = (error?: Error | null): void => {
      sent += 1024
      if (!error && !response.socket?.destroyed) response.write('x'.repeat(1024), more)
    }
    more()
  })

  const reply = sender().send(get(server.url, { maxBodyBytes: 10_000 }))

  expect(await kindOf(reply)).toBe('too-large')
  expect(sent).toBeLessThan(10_000_000)
})

test('P7 an aborted request ends at once, with the reason of the signal', async () => {
  const stop = new AbortController()
  const server = await serve(() => stop.abort(new Error('asked to end')))

  const reply = sender().send(get(server.url, { signal: stop.signal }))

  await expect(reply).rejects.toThrow('asked to end')
})

test('P2 a failure names the host and nothing of path, header or body', async () => {
  const server = await serve((_request, response) => response.socket?.destroy())

  const reply = sender().send(
    get(new URL('/canary', server.url), {
      method: 'POST',
      headers: { Authorization: 'canary' },
      body: 'canary',
    }),
  )

  const error = await reply.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(SendFailure)
  expect(error instanceof Error && error.message).toBe(
    `${server.url.host} closes the connection without an answer`,
  )
})
