import { createHash } from 'node:crypto'
import type { buildConnector, Dispatcher } from 'undici'
// Only these two modules: undici as a whole costs 60 ms and 18 MiB before the first byte goes out.
import buildConnection from 'undici/lib/core/connect.js'
import Client from 'undici/lib/dispatcher/client.js'
import { SendFailure, type HttpReply, type HttpRequest, type Send } from '../core/http.ts'
import type { Secret } from '../core/secret.ts'
import { classify } from './classify.ts'

export interface SendOptions {
  /**
   * The certificates to trust as PEM text, asked for at each new connection; undefined means the
   * system's roots and NODE_EXTRA_CA_CERTS. What it rejects with is what the request rejects with.
   */
  readonly ca?: () => Promise<string | undefined>
  /** The name the certificate must have and TLS is told, where that is not the URL's own host. */
  readonly serverName?: string | undefined
  /** Time to the end of the TLS handshake, in milliseconds. */
  readonly connectTimeoutMs: number
}

/** A {@link Send} with the connections it keeps; `close` ends them. */
export interface Sender {
  readonly send: Send
  readonly close: () => Promise<void>
}

/** Servers drop idle connections after 80 s (Conjur) or later; ours goes first, so that none breaks under a request. */
const KEEP_ALIVE_MS = 70_000

/**
 * Makes the one way out: HTTP/1.1, one kept connection an origin, no redirects, no cookies, no proxy.
 */
export function createSender(options: SendOptions): Sender {
  const clients = new Map<string, Client>()

  function clientFor({ url: { origin }, clientCertificate }: HttpRequest): Client {
    // A connection belongs to whoever opened it: who shows a certificate gets one of its own.
    const key =
      clientCertificate === undefined ? origin : `${origin} ${fingerprint(clientCertificate)}`
    const known = clients.get(key)
    if (known !== undefined) return known
    const client = new Client(origin, {
      connect: connector(options, clientCertificate),
      keepAliveTimeout: KEEP_ALIVE_MS,
      // A server's own Keep-Alive header is believed up to this, less a second for the way.
      keepAliveMaxTimeout: 10 * 60_000,
      pipelining: 1,
      bodyTimeout: 0,
      headersTimeout: 0,
    })
    clients.set(key, client)
    return client
  }

  return {
    send: (request) => exchange(clientFor(request), request),
    async close() {
      const open = [...clients.values()]
      clients.clear()
      await Promise.all(open.map((client) => client.destroy()))
    },
  }
}

function fingerprint(certificate: Secret): string {
  return createHash('sha256').update(certificate.bytes()).digest('hex')
}

function connector(
  { ca, serverName, connectTimeoutMs }: SendOptions,
  clientCertificate: Secret | undefined,
): buildConnector.connector {
  const shown = clientCertificate?.text()
  let last: { pem: string | undefined; connect: buildConnector.connector } | undefined
  async function current(): Promise<buildConnector.connector> {
    const pem = await ca?.()
    if (last?.pem !== pem || last === undefined) {
      // A CA that is given is trusted as it is, an intermediate one too, as the incumbents do.
      const trust = pem === undefined ? {} : { ca: pem, allowPartialTrustChain: true }
      const connect = buildConnection({
        ...trust,
        ...(serverName === undefined ? {} : { servername: serverName }),
        ...(shown === undefined ? {} : { cert: shown, key: shown }),
        allowH2: false,
        timeout: connectTimeoutMs,
        // Said outright, since NODE_TLS_REJECT_UNAUTHORIZED changes the default (P8).
        rejectUnauthorized: true,
      })
      last = { pem, connect }
    }
    return last.connect
  }
  return (target, callback) => {
    void (async () => {
      try {
        const connect = await current()
        connect(target, callback)
      } catch (error) {
        callback(error instanceof Error ? error : new Error(String(error)), null)
      }
    })()
  }
}

/** Sends one request and reads the reply to its end, within the deadline and the size it may have. */
function exchange(client: Client, request: HttpRequest): Promise<HttpReply> {
  const { url, signal } = request
  const deadline = AbortSignal.timeout(request.deadlineMs)
  const stop = AbortSignal.any([signal, deadline])
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(reasonOf(signal))
    let status = 0
    let headers: Record<string, string> = {}
    const chunks: Buffer[] = []
    let size = 0
    let failed = false
    const fail = (error: unknown): void => {
      failed = true
      stop.removeEventListener('abort', onAbort)
      if (signal.aborted) reject(reasonOf(signal))
      else if (deadline.aborted) reject(new SendFailure('timeout', url.host))
      else reject(classify(error, { host: url.host, answered: status > 0 }))
    }
    let controller: Dispatcher.DispatchController | undefined
    const onAbort = (): void => {
      // Before the request is on the wire there is nothing to abort yet; undici asks again then.
      controller?.abort(new Error('stopped'))
      fail(undefined)
    }
    stop.addEventListener('abort', onAbort, { once: true })
    client.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method,
        headers: { ...request.headers },
        ...(request.body === undefined ? {} : { body: request.body }),
      },
      {
        onRequestStart(started) {
          controller = started
          if (failed) started.abort(new Error('stopped'))
        },
        onResponseStart(_controller, statusCode, incoming) {
          status = statusCode
          headers = firstValues(incoming)
        },
        onResponseData(current, chunk) {
          size += chunk.length
          if (size > request.maxBodyBytes) current.abort(new SendFailure('too-large', url.host))
          else chunks.push(chunk)
        },
        onResponseEnd() {
          stop.removeEventListener('abort', onAbort)
          resolve({ status, headers, body: Buffer.concat(chunks) })
        },
        onResponseError(_controller, error) {
          fail(error)
        },
      },
    )
  })
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted')
}

function firstValues(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const first = Array.isArray(value) ? value[0] : value
    if (first !== undefined) flat[name.toLowerCase()] = first
  }
  return flat
}
