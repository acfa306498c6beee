import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { METRICS_CONTENT_TYPE } from './metrics.ts'

/** What a status server can tell; each is asked at each request. */
export interface StatusSources {
  /** Whether the process does its work; why not, if not. */
  readonly live: () => Condition
  readonly ready: () => Condition
  /** The status document. */
  readonly status: () => unknown
  readonly metrics: () => string
  /** Asked for by POST /refresh; absent where there is nothing to refresh. */
  readonly refresh?: () => void
}

export interface Condition {
  readonly ok: boolean
  /** One clause each. */
  readonly reasons: readonly string[]
}

export interface StatusServer {
  readonly address: { readonly host: string; readonly port: number }
  close(): Promise<void>
}

/**
 * Serves /livez, /readyz, /status and /metrics, and takes POST /refresh, without authentication:
 * hence loopback by default, and never a value. Rejects where the port cannot be had.
 */
export function serveStatus(at: Address, sources: StatusSources): Promise<StatusServer> {
  return serve(at, (request, response) => answer(request, response, sources))
}

/** Serves /metrics and nothing else, for a port that other machines may reach. */
export function serveMetrics(at: Address, text: () => string): Promise<StatusServer> {
  return serve(at, (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0]
    if (path === '/metrics' && request.method === 'GET') metrics(response, text())
    else json(response, 404, { error: 'there is GET /metrics alone' })
  })
}

interface Address {
  readonly host: string
  readonly port: number
}

async function serve(at: Address, listener: RequestListener): Promise<StatusServer> {
  const server = createServer(listener)
  server.headersTimeout = 5000
  server.requestTimeout = 5000
  server.maxHeadersCount = 50
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(at.port, at.host, resolve)
  await promise
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : at.port
  // A status server is no reason for a process to go on.
  server.unref()
  return {
    address: { host: at.host, port },
    async close() {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}

function answer(request: IncomingMessage, response: ServerResponse, sources: StatusSources): void {
  const path = (request.url ?? '').split('?', 1)[0]
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  if (path === '/refresh' && sources.refresh !== undefined) {
    if (request.method !== 'POST') return json(response, 405, { error: 'POST /refresh' })
    sources.refresh()
    return json(response, 202, { refreshing: true })
  }
  if (!isRead) return json(response, 405, { error: 'GET only' })
  switch (path) {
    case '/livez':
      return condition(response, sources.live())
    case '/readyz':
      return condition(response, sources.ready())
    case '/status':
      return json(response, 200, sources.status())
    case '/metrics':
      return metrics(response, sources.metrics())
    default:
      json(response, 404, { error: 'there are /livez, /readyz, /status and /metrics' })
  }
}

function metrics(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': METRICS_CONTENT_TYPE }).end(text)
}

function condition(response: ServerResponse, { ok, reasons }: Condition): void {
  json(response, ok ? 200 : 503, { ok, reasons })
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(`${JSON.stringify(body)}\n`)
}
