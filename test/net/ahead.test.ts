import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { SendFailure, type HttpRequest } from '../../src/core/http.ts'
import { runtimeOf } from '../../src/core/runtime.ts'
import { createSender, type Sender, type SendOptions } from '../../src/net/send.ts'
import { testCa } from '../support/certificate.ts'

const ca = await testCa()
const trusted = await ca.issue()
const open: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

function sender(options: Partial<SendOptions> = {}): Sender {
  const made = createSender({ ca: async () => ca.cert, connectTimeoutMs: 2000, ...options })
  open.push(() => made.close())
  return made
}

function get(url: URL): HttpRequest {
  const signal = new AbortController().signal
  return { method: 'GET', url, deadlineMs: 5000, maxBodyBytes: 1024, signal }
}

interface Watched {
  readonly url: URL
  /** All that it was given. */
  readonly connections: readonly Socket[]
  readonly next: (event: 'connection' | 'secureConnection' | 'tlsClientError') => Promise<unknown>
}

async function serve(): Promise<Watched> {
  const server = createTlsServer(trusted, (_request, response) => response.end('ok'))
  const connections: Socket[] = []
  server.on('connection', (socket: Socket) => connections.push(socket))
  const url = await listening(server, 'https:')
  open.push(() => server.closeAllConnections())
  return { url, connections, next: (event) => once(server, event) }
}

async function listening(server: Server, protocol: string): Promise<URL> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(() => void server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return new URL(`${protocol}//127.0.0.1:${port}/`)
}

// Bun's client opens connections by itself.
describe.skipIf(runtimeOf(process).hasNativeSend)('a connection opened ahead of a request', () => {
  test('is the one that the request goes by', async () => {
    const server = await serve()
    const { send, connectAhead } = sender()
    connectAhead(server.url)
    await server.next('secureConnection')

    connectAhead(server.url)
    const replies = [await send(get(server.url)), await send(get(server.url))]
    connectAhead(server.url)

    expect(replies.map(({ status }) => status)).toEqual([200, 200])
    expect(server.connections).toHaveLength(1)
  })

  test('is taken before its handshake is over too', async () => {
    const server = await serve()
    const { send, connectAhead } = sender()
    connectAhead(server.url)
    await server.next('connection')

    expect((await send(get(server.url))).status).toBe(200)
    expect(server.connections).toHaveLength(1)
  })

  test('may be gone by then', async () => {
    const server = await serve()
    const { send, connectAhead } = sender()
    connectAhead(server.url)
    await server.next('secureConnection')
    for (const socket of server.connections) socket.destroy()

    expect((await send(get(server.url))).status).toBe(200)
  })

  test('is not used once another CA is given (P10)', async () => {
    const server = await serve()
    let pem = ca.cert
    const { send, connectAhead } = sender({ ca: async () => pem })
    connectAhead(server.url)
    await server.next('secureConnection')
    pem = (await testCa('Next CA')).cert

    const reply = send(get(server.url))

    await expect(reply).rejects.toMatchObject({ kind: 'tls-untrusted' })
  })

  test('keeps what is wrong with it for the request (P8)', async () => {
    const server = await serve()
    const { send, connectAhead } = sender({ ca: async () => (await testCa('Other CA')).cert })
    connectAhead(server.url)
    await server.next('tlsClientError')

    await expect(send(get(server.url))).rejects.toMatchObject({ kind: 'tls-untrusted' })
  })

  test('whose handshake never ends is a timeout of the request', async () => {
    const sockets: Socket[] = []
    const mute = createServer((socket) => sockets.push(socket))
    const url = await listening(mute, 'https:')
    open.push(() => {
      for (const socket of sockets) socket.destroy()
    })
    const { send, connectAhead } = sender({ connectTimeoutMs: 300 })
    connectAhead(url)
    await once(mute, 'connection')

    const error = await send(get(url)).catch((thrown: unknown) => thrown)

    expect(error).toBeInstanceOf(SendFailure)
    expect(error).toMatchObject({ kind: 'timeout' })
  })

  test('ends with its sender, though no request was made (P7)', async () => {
    const server = await serve()
    const { connectAhead, close } = sender()
    connectAhead(server.url)
    await server.next('secureConnection')
    const [socket] = server.connections
    const closed = socket && once(socket, 'close')

    await close()

    expect(await closed).toEqual([expect.any(Boolean)])
  })
})
