import { isIP } from 'node:net'
import { Pool, ProxyAgent, buildConnector, type Dispatcher } from 'undici'
import { SendFailure, type HttpReply, type HttpRequest } from '../core/http.ts'
import { classify } from './classify.ts'
import type { SendOptions } from './send.ts'

/** A way through one proxy: CONNECT, then TLS with the server itself from end to end. */
export interface Proxied {
  readonly send: (request: HttpRequest) => Promise<HttpReply>
  readonly close: () => Promise<void>
}

/**
 * Sends through a proxy by undici, which is loaded for this alone: on the straight way Node's own
 * client is there sooner (docs/decisions/http-client.md). The contract is that of `Send`.
 */
export function createProxied(
  { ca, serverName, connectTimeoutMs }: SendOptions,
  through: URL,
): Proxied {
  const reach = connectorTo(through, connectTimeoutMs)
  let last: { key: string; agent: ProxyAgent } | undefined

  /** The agent that trusts, and shows, what it should now (P10); its connections go when that changes. */
  async function current(shown: string | undefined): Promise<ProxyAgent> {
    const pem = await ca?.()
    const key = `${pem ?? ''}\0${shown ?? ''}`
    if (last?.key === key) return last.agent
    await last?.agent.destroy()
    const agent = new ProxyAgent({
      uri: through.href,
      requestTls: {
        ...(pem === undefined ? {} : { ca: pem, allowPartialTrustChain: true }),
        ...(serverName === undefined ? {} : { servername: serverName }),
        ...(shown === undefined ? {} : { cert: shown, key: shown }),
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        timeout: connectTimeoutMs,
      },
      // A CONNECT without an answer would hold up every request behind it.
      clientFactory: (origin) =>
        new Pool(origin, { connect: reach, headersTimeout: connectTimeoutMs }),
      allowH2: false,
      connections: 1,
      bodyTimeout: 0,
      headersTimeout: 0,
    })
    last = { key, agent }
    return agent
  }

  return {
    async send(request) {
      const agent = await current(request.clientCertificate?.text())
      return exchange(agent, request, {
        host: through.host,
        // What is given up while it waits for a tunnel must not be sent when there is one.
        abandon: () => {
          if (last?.agent === agent) last = undefined
          void agent.destroy()
        },
      })
    },
    close: async () => last?.agent.destroy(),
  }
}

/** Opens connections to the proxy itself; why one cannot be had is the proxy's failure, not that of the host behind it. */
function connectorTo(through: URL, timeout: number): buildConnector.connector {
  const connect = buildConnector({
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    allowH2: false,
    timeout,
  })
  return ({ servername = '', ...to }, done) => {
    // TLS is told no address as a name: the certificate is compared with `host` then.
    const isName = isIP(servername.replace(/^\[|\]$/g, '')) === 0
    connect(isName ? { ...to, servername } : to, (error, socket) => {
      if (error === null) done(error, socket)
      else done(new SendFailure('proxy', through.host, error), null)
    })
  }
}

/** The proxy by name, and the end of a tunnel that is still to be. */
interface Way {
  readonly host: string
  readonly abandon: () => void
}

function exchange(agent: ProxyAgent, request: HttpRequest, way: Way): Promise<HttpReply> {
  const { url, signal } = request
  const { promise, resolve, reject } = Promise.withResolvers<HttpReply>()
  let controller: Dispatcher.DispatchController | undefined
  let status = 0
  let headers: Record<string, string> = {}
  const chunks: Buffer[] = []
  let size = 0
  const end = (): void => {
    clearTimeout(deadline)
    signal.removeEventListener('abort', onAbort)
  }
  const giveUp = (reason: Error): void => {
    end()
    reject(reason)
    if (controller === undefined) way.abandon()
    else controller.abort(reason)
  }
  /** Until the request is on its way the proxy stands before all, but for the certificate of the host behind it. */
  const fail = (failure: Error): void => {
    const isWay = controller === undefined && failure instanceof SendFailure && !failure.isTrust
    giveUp(isWay ? new SendFailure('proxy', way.host, failure) : failure)
  }
  const onAbort = (): void =>
    giveUp(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
  const deadline = setTimeout(() => fail(new SendFailure('timeout', url.host)), request.deadlineMs)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  else {
    agent.dispatch(
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
        },
        onResponseStart(_controller, statusCode, incoming) {
          status = statusCode
          headers = firstValues(incoming)
        },
        onResponseData(_controller, chunk) {
          size += chunk.length
          if (size > request.maxBodyBytes) giveUp(new SendFailure('too-large', url.host))
          else chunks.push(chunk)
        },
        onResponseEnd() {
          end()
          resolve({ status, headers, body: Buffer.concat(chunks) })
        },
        onResponseError(_controller, error) {
          fail(classify(error, { host: url.host, answered: status > 0 }))
        },
      },
    )
  }
  return promise
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
