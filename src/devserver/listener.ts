import {
  createServer as createHttp,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServingCertificate } from './certificate.ts'
import type { Fault } from './faults.ts'
import { exception, finish, head, reasons, withHeaders, type Reply } from './reply.ts'
import { BadQuery, requestId, toRequest } from './request.ts'
import { answer, badQuery, tooLong } from './routes.ts'
import type { World } from './world.ts'

/** An open port. */
export interface Listener {
  readonly host: string
  readonly port: number
  /** Stops listening and cuts every connection. */
  close(): Promise<void>
}

const mostBodyBytes = 32 * 1024 * 1024
const mostQueryBytes = 10 * 1024
const mostTargetBytes = 12 * 1024
const idleMs = 80_000

/** Opens the port. Without a certificate it speaks plain HTTP. Rejects where the port cannot be had. */
export async function listen(
  world: World,
  at: { readonly host: string; readonly port: number },
  certificate: ServingCertificate | undefined,
): Promise<Listener> {
  const server = createServer(certificate, (message, response) => {
    serve(world, message, response).catch((error: unknown) => {
      world.log(`INTERNAL ${String(error)}`)
      response.destroy()
    })
  })
  server.on('clientError', (_error, socket) => {
    if (socket.writable)
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  })
  server.on('tlsClientError', () => {
    // A client that distrusts this CA shows its own error; here there is nothing to do.
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(at.port, at.host, resolve)
  })
  return {
    host: at.host,
    port: portOf(server.address()),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

function createServer(certificate: ServingCertificate | undefined, serve: RequestListener): Server {
  const limits = {
    maxHeaderSize: 96 * 1024,
    headersTimeout: 20_000,
    requestTimeout: 60_000,
    keepAliveTimeout: idleMs,
  }
  if (certificate === undefined) return createHttp(limits, serve)
  const { certificate: cert, key } = certificate
  return createHttps({ ...limits, cert, key, minVersion: 'TLSv1.2' }, serve)
}

function portOf(address: string | AddressInfo | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function serve(
  world: World,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startedAt = performance.now()
  const target = message.url ?? '/'
  if (isTooLong(target)) return refuseAsPuma(message)
  const path = withoutBase(target, world.settings.basePath)
  const fault =
    path === undefined || path.startsWith('/devserver/') ? undefined : world.faults.take(path)
  if (fault?.kind === 'outage') {
    message.socket.destroy()
    return
  }
  if (fault?.kind === 'slow') await sleep(fault.delayMs ?? 5_000, undefined, { ref: false })
  const body = await bodyOf(message)
  if (body === 'cut') return
  const reply = await replyTo({ world, message, path, body, fault })
  const finished = finish(reply, {
    method: message.method ?? 'GET',
    accept: message.headers.accept,
    ifNoneMatch: message.headers['if-none-match'],
    requestId: requestId(single(message.headers['x-request-id'])),
    runtimeSeconds: (performance.now() - startedAt) / 1000,
  })
  send(response, finished, fault)
}

async function replyTo(asked: {
  readonly world: World
  readonly message: IncomingMessage
  readonly path: string | undefined
  readonly body: Buffer | 'too long'
  readonly fault: Fault | undefined
}): Promise<Reply> {
  const { world, message, path, body, fault } = asked
  const faulty = fault === undefined ? undefined : faultyReply(fault, message)
  if (faulty !== undefined) return faulty
  if (body === 'too long') return tooLong(mostBodyBytes)
  if (path === undefined) return exception(404, message.headers.accept)
  try {
    return await answer(world, toRequest(message, path, body))
  } catch (error) {
    if (error instanceof BadQuery) return badQuery()
    throw error
  }
}

function faultyReply(fault: Fault, message: IncomingMessage): Reply | undefined {
  switch (fault.kind) {
    case 'unavailable': {
      const reply = head(503)
      const seconds = fault.retryAfterSeconds
      return seconds === undefined ? reply : withHeaders(reply, ['Retry-After', `${seconds}`])
    }
    case 'error':
      return exception(500, message.headers.accept)
    case 'unauthenticated':
      return message.url?.split('?')[0]?.endsWith('/authenticate') === true ? head(401) : undefined
    case 'outage':
    case 'slow':
    case 'drop':
    case 'provider-away':
      return undefined
    default:
      return fault.kind satisfies never
  }
}

function send(response: ServerResponse, reply: Reply, fault: Fault | undefined): void {
  response.statusCode = reply.status
  response.statusMessage = reasons[reply.status] ?? ''
  response.setHeader('X-Development-Server', 'conjur-agent devserver, not for production')
  for (const [name, value] of reply.headers) response.setHeader(name, value)
  if (fault?.kind !== 'drop') {
    response.end(reply.body)
    return
  }
  response.write(reply.body.subarray(0, Math.floor(reply.body.length / 2)), () =>
    response.destroy(),
  )
}

/** The body; too long for us; or cut by the client, who then waits for no answer. */
async function bodyOf(message: IncomingMessage): Promise<Buffer | 'too long' | 'cut'> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of message) {
      if (!Buffer.isBuffer(chunk)) continue
      size += chunk.length
      if (size <= mostBodyBytes) chunks.push(chunk)
    }
  } catch {
    return 'cut'
  }
  return size > mostBodyBytes ? 'too long' : Buffer.concat(chunks)
}

function isTooLong(target: string): boolean {
  const query = target.indexOf('?')
  return (
    target.length > mostTargetBytes || (query >= 0 && target.length - query - 1 > mostQueryBytes)
  )
}

/** The real server's web server answers in this older version, without a header more, and hangs up. */
function refuseAsPuma(message: IncomingMessage): void {
  message.socket.end('HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n')
}

function withoutBase(target: string, base: string): string | undefined {
  if (base === '') return target
  if (target === base) return '/'
  return target.startsWith(`${base}/`) ? target.slice(base.length) : undefined
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
