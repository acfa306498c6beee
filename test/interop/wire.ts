import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** A reply as it stood on the wire. */
export interface WireReply {
  readonly httpVersion: string
  readonly status: number
  readonly statusText: string
  /** In wire order, names as sent. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

/** Writes a request to a socket, byte for byte, and reads the one reply to its end. */
export function exchangeOnWire(
  server: { readonly url: string; readonly ca: string },
  request: Buffer,
): Promise<WireReply> {
  const { protocol, hostname, port } = new URL(server.url)
  const at = { host: hostname, port: Number(port) }
  return new Promise((resolve, reject) => {
    const socket =
      protocol === 'https:'
        ? connectTls({ ...at, ca: server.ca }, () => socket.write(request))
        : connectTcp(at, () => socket.write(request))
    let bytes = Buffer.alloc(0)
    const finish = (isEnd: boolean): void => {
      const reply = parseReply(bytes, isEnd)
      if (reply === undefined) return
      socket.destroy()
      resolve(reply)
    }
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      finish(false)
    })
    socket.on('end', () => finish(true))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the connection was closed before a whole reply')))
  })
}

/** A request as bytes, headers in the order given. */
export function requestBytes(request: {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}): Buffer {
  const lines = [`${request.method} ${request.path} HTTP/1.1`]
  for (const [name, value] of Object.entries(request.headers)) lines.push(`${name}: ${value}`)
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), request.body])
}

function parseReply(bytes: Buffer, isEnd: boolean): WireReply | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const [, httpVersion = '', status = '', statusText = ''] =
    /^(\S+) (\d+) ?(.*)$/.exec(statusLine) ?? []
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const body = bytes.subarray(end + 4)
  const length = headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
  const isWhole = length === undefined ? isEnd || status === '204' : body.length >= Number(length)
  if (!isWhole) return undefined
  return { httpVersion, status: Number(status), statusText, headers, body }
}
