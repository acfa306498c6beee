import { createHash } from 'node:crypto'
import {
  Agent as PlainAgent,
  request as requestPlain,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import {
  Agent as TlsAgent,
  request as requestOverTls,
  type RequestOptions as TlsOptions,
} from 'node:https'
import { isIP, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { SendFailure, type HttpReply, type HttpRequest, type Send } from '../core/http.ts'
import { bareHost } from '../core/local-host.ts'
import { runtimeOf } from '../core/runtime.ts'
import type { Secret } from '../core/secret.ts'
import { classify } from './classify.ts'
import { openEarly, type Early } from './early.ts'
import type { Proxied } from './proxied.ts'
import { proxyFor, type ProxyRules } from './proxy.ts'

export interface SendOptions {
  /**
   * The certificates to trust as PEM text, asked for at each new connection; undefined means the
   * system's roots and NODE_EXTRA_CA_CERTS. What it rejects with is what the request rejects with.
   */
  readonly ca?: () => Promise<string | undefined>
  /** The name the certificate must have and TLS is told, where that is not the URL's own host. */
  readonly serverName?: string | undefined
  /** The proxy to go through, and what is reached without it; absent: everything. */
  readonly proxy?: ProxyRules | undefined
  /** Time to the end of the TLS handshake, in milliseconds. */
  readonly connectTimeoutMs: number
}

/** A {@link Send} with the connections it keeps; `close` ends them. */
export interface Sender {
  readonly send: Send
  /**
   * Opens the connection that the next request to a server is going to need, where the way there is direct and none
   * is open. What goes wrong with it is left for that request to find.
   */
  readonly connectAhead: (server: URL) => void
  readonly close: () => Promise<void>
}

/** Servers drop idle connections after 80 s (Conjur) or later; ours goes first, so that none breaks under a request. */
const KEEP_ALIVE_MS = 70_000

/**
 * Makes the one way out: HTTP/1.1, one kept connection an origin, no redirects, no cookies, and
 * a proxy only where one is given.
 */
export function createSender(options: SendOptions): Sender {
  const origins = new Map<string, Origin>()
  const ways = new Map<string, Promise<Proxied>>()
  const { hasNativeSend } = runtimeOf(process)
  let native: Promise<Send> | undefined

  function originOf({
    url,
    clientCertificate,
  }: Pick<HttpRequest, 'url' | 'clientCertificate'>): Origin {
    // A connection belongs to whoever opened it: who shows a certificate gets one of its own.
    const key =
      clientCertificate === undefined ? url.origin : `${url.origin} ${digest(clientCertificate)}`
    const known = origins.get(key)
    if (known !== undefined) return known
    const origin = url.protocol === 'https:' ? secured(options, url, clientCertificate) : plain()
    origins.set(key, origin)
    return origin
  }

  /** One way a proxy; undici, which leads through it, is loaded when one is first needed. */
  function wayThrough(proxy: URL): Promise<Proxied> {
    const known = ways.get(proxy.href)
    if (known !== undefined) return known
    const way = import('./proxied.ts').then(({ createProxied }) => createProxied(options, proxy))
    ways.set(proxy.href, way)
    return way
  }

  return {
    async send(request) {
      const through = options.proxy && proxyFor(request.url, options.proxy)
      if (through !== undefined) return (await wayThrough(through)).send(request)
      if (hasNativeSend && request.url.protocol === 'https:') {
        native ??= import('./native-send.ts').then(({ createNativeSend }) =>
          createNativeSend(options),
        )
        return (await native)(request)
      }
      const origin = originOf(request)
      const limits = { connectTimeoutMs: options.connectTimeoutMs }
      try {
        return await exchange(await origin.open(), request, limits)
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error
        return exchange(await origin.open(), request, limits)
      }
    },
    connectAhead(url) {
      const isDirect = options.proxy === undefined || proxyFor(url, options.proxy) === undefined
      if (isDirect && !hasNativeSend) originOf({ url }).ahead()
    },
    async close() {
      for (const origin of origins.values()) origin.close()
      origins.clear()
      await Promise.all([...ways.values()].map(async (way) => (await way).close()))
      ways.clear()
    },
  }
}

/** One origin's connection and how it is opened. */
interface Origin {
  readonly open: () => Promise<Open>
  readonly ahead: () => void
  readonly close: () => void
}

type Open = (options: RequestOptions) => ClientRequest

const KEPT = { keepAlive: true, maxSockets: 1, timeout: KEEP_ALIVE_MS }

function plain(): Origin {
  const agent = new PlainAgent(KEPT)
  return {
    open: async () => (options) => requestPlain({ ...options, agent }),
    ahead: () => undefined,
    close: () => agent.destroy(),
  }
}

function secured(
  { ca, serverName }: SendOptions,
  url: URL,
  certificate: Secret | undefined,
): Origin {
  const agent = new TlsAgent(KEPT)
  const shown = certificate?.text()
  let pem: string | undefined
  let early: Early | undefined
  const trust = (): TlsOptions => ({
    // A CA that is given is trusted as it is, an intermediate one too, as the incumbents do.
    ...(pem === undefined ? {} : { ca: pem, allowPartialTrustChain: true }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(shown === undefined ? {} : { cert: shown, key: shown }),
    // Said outright, since NODE_TLS_REJECT_UNAUTHORIZED and --tls-min-v1.0 change the defaults (P8).
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
  })
  async function openAhead(): Promise<void> {
    pem = await ca?.()
    const host = bareHost(url.hostname)
    const options = { host, port: url.port, servername: isIP(host) === 0 ? host : '', ...trust() }
    early ??= openEarly(agent, options)
  }
  return {
    async open() {
      if (Object.keys(agent.freeSockets).length === 0) {
        const before = pem
        pem = await ca?.()
        // What was opened under another CA is not used (P10).
        if (pem !== before) early?.close()
      }
      return (options) => {
        const request = requestOverTls({ ...options, agent, ...trust() })
        // The server may have let go of it meanwhile, as of any that was kept.
        if (early?.taken() === true) request.reusedSocket = true
        early?.close()
        early = undefined
        return request
      }
    },
    ahead() {
      const isOpen = Object.keys(agent.sockets).length + Object.keys(agent.freeSockets).length > 0
      // Whatever keeps it from opening is found again by the request.
      if (!isOpen && early === undefined) openAhead().catch(() => undefined)
    },
    close() {
      early?.close()
      agent.destroy()
    },
  }
}

function digest(certificate: Secret): string {
  return createHash('sha256').update(certificate.bytes()).digest('hex')
}

/** The server let go of the kept connection before it answered; a new one is worth a try. */
class StaleConnection extends Error {}

/** Sends one request and reads the reply to its end, within the deadline and the size it may have. */
function exchange(
  open: Open,
  request: HttpRequest,
  { connectTimeoutMs }: { connectTimeoutMs: number },
): Promise<HttpReply> {
  const { url, signal } = request
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(reasonOf(signal))
    const sent = open({
      host: bareHost(url.hostname),
      port: url.port,
      path: url.pathname + url.search,
      method: request.method,
      headers: { Host: url.host, ...request.headers },
    })
    let reply: IncomingMessage | undefined
    const end = (): void => {
      clearTimeout(deadline)
      signal.removeEventListener('abort', onAbort)
    }
    const giveUp = (reason: Error): void => {
      end()
      reject(reason)
      sent.destroy()
    }
    const fail = (error: unknown): void => {
      const isStale = sent.reusedSocket && reply === undefined && isReset(error)
      giveUp(
        isStale
          ? new StaleConnection()
          : classify(error, { host: url.host, answered: reply !== undefined }),
      )
    }
    const onAbort = (): void => giveUp(reasonOf(signal))
    const tooLate = (): void => fail(new SendFailure('timeout', url.host))
    const deadline = setTimeout(tooLate, request.deadlineMs)
    signal.addEventListener('abort', onAbort, { once: true })
    sent.on('error', fail)
    sent.once('socket', (socket) => limitHandshake(socket, connectTimeoutMs, tooLate))
    sent.once('response', (response) => {
      reply = response
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > request.maxBodyBytes) fail(new SendFailure('too-large', url.host))
        else chunks.push(chunk)
      })
      response.on('error', fail)
      response.on('end', () => {
        end()
        const { statusCode: status = 0 } = response
        resolve({ status, headers: firstValues(response), body: Buffer.concat(chunks) })
      })
    })
    sent.end(request.body)
  })
}

function limitHandshake(socket: Socket, limitMs: number, tooLate: () => void): void {
  if (!socket.connecting) return
  const limit = setTimeout(tooLate, limitMs)
  for (const event of [socket instanceof TLSSocket ? 'secureConnect' : 'connect', 'close']) {
    socket.once(event, () => clearTimeout(limit))
  }
}

function isReset(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'ECONNRESET' || error.code === 'EPIPE')
  )
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted')
}

function firstValues({ headersDistinct }: IncomingMessage): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, [first] = []] of Object.entries(headersDistinct)) {
    if (first !== undefined) flat[name] = first
  }
  return flat
}
