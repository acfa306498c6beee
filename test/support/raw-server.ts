import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer, type TlsOptions } from 'node:tls'

/** A TLS server on 127.0.0.1 that says whatever bytes a test wants it to. */
export interface RawServer extends AsyncDisposable {
  readonly origin: string
  /** Requests whose head has arrived, as they were written. */
  readonly heard: readonly string[]
}

/** `answer` is called with each request's head and its place in the order of all. */
export async function rawServer(
  tls: TlsOptions,
  answer: (socket: Socket, head: string, index: number) => void,
): Promise<RawServer> {
  const heard: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer(tls, (socket) => {
    let waiting = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      waiting += text
      for (;;) {
        const end = waiting.indexOf('\r\n\r\n')
        if (end === -1) return
        const head = waiting.slice(0, end)
        const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
        if (waiting.length < end + 4 + length) return
        waiting = waiting.slice(end + 4 + length)
        answer(socket, head, heard.push(head) - 1)
      }
    })
    socket.on('error', () => undefined)
  })
  server.on('tlsClientError', () => undefined)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `https://127.0.0.1:${port}`,
    heard,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
