import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'

/** A proxy of the test's own on this machine, which leads every CONNECT to one port of this machine. */
export interface TunnelProxy extends AsyncDisposable {
  /** Where it is, without credentials. */
  readonly url: URL
  /** What it was asked: the CONNECTs in order. */
  readonly asked: readonly IncomingMessage[]
  /** Resolves with the next CONNECT. */
  next(): Promise<IncomingMessage>
  /** Ends every tunnel that is open. */
  cut(): void
}

export interface TunnelProxyOptions {
  /** What it answers, one after the other, the last one from then on; nothing for `silent`. */
  readonly answers?: readonly (number | 'silent')[]
  /** Where it listens; 127.0.0.1 unless given. */
  readonly host?: string
  /** The certificate that it shows; without, it speaks plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

export async function tunnelProxy(
  port: number,
  { answers = [200], host = '127.0.0.1', tls }: TunnelProxyOptions = {},
): Promise<TunnelProxy> {
  const asked: IncomingMessage[] = []
  const sockets = new Set<Socket>()
  const server: Server = tls === undefined ? createServer() : createTlsServer(tls)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('connect', (request, socket) => {
    const answer = answers[asked.length] ?? answers.at(-1)
    asked.push(request)
    socket.on('error', () => undefined)
    server.emit('asked', request)
    if (answer === 'silent') return
    if (answer !== 200) {
      socket.end(`HTTP/1.1 ${answer} No\r\n\r\n`)
      return
    }
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Yes\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    onward.on('error', () => undefined)
    socket.on('close', () => onward.destroy())
  })
  server.listen(0, host)
  await once(server, 'listening')
  const { port: own } = server.address() as AddressInfo
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: new URL(
      `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${own}`,
    ),
    asked,
    cut,
    next: async () => {
      const [request] = await once(server, 'asked')
      return request
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      cut()
      await closed
    },
  }
}
