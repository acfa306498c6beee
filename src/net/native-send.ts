import { SendFailure, type HttpReply, type HttpRequest, type Send } from '../core/http.ts'
import { bareHost } from '../core/local-host.ts'
import { classify } from './classify.ts'
import type { SendOptions } from './send.ts'

/** What Bun's `fetch` takes beyond the standard. */
interface NativeInit extends RequestInit {
  readonly tls: {
    readonly ca?: string
    readonly allowPartialTrustChain?: boolean
    readonly serverName?: string
    readonly cert?: string
    readonly key?: string
    readonly rejectUnauthorized: true
  }
  /** Anything but false, and the environment's proxy would be taken. */
  readonly proxy: false
  readonly decompress: false
  /** Its own, of five minutes, is neither ours nor a deadline. */
  readonly timeout: false
}

/**
 * Sends over TLS by the client inside Bun, which is there without a module being loaded. It keeps one
 * pool of connections for the process, in which the certificates trusted and shown are part of the key.
 * The contract is that of `Send`, but for two headers: it adds `Accept` and a `User-Agent`.
 */
export function createNativeSend({ ca, serverName, connectTimeoutMs }: SendOptions): Send {
  const answeredAt = new Map<string, number>()

  /** Whether a connection may be there that has been through its handshake. */
  const isKept = ({ origin }: URL): boolean =>
    performance.now() - (answeredAt.get(origin) ?? -Infinity) < KEPT_MS

  return async (request) => {
    const { url } = request
    const pem = await ca?.()
    const shown = request.clientCertificate?.text()
    const limits = { connectTimeoutMs: isKept(url) ? undefined : connectTimeoutMs }
    const reply = await exchange(request, limits, {
      ...(pem === undefined ? {} : { ca: pem, allowPartialTrustChain: true }),
      ...(serverName === undefined ? {} : { serverName }),
      ...(shown === undefined ? {} : { cert: shown, key: shown }),
      // Said outright, since NODE_TLS_REJECT_UNAUTHORIZED changes the default (P8); 1.2 is the least it speaks.
      rejectUnauthorized: true,
    })
    answeredAt.set(url.origin, performance.now())
    return reply
  }
}

/** Conjur drops idle connections after 80 s. */
const KEPT_MS = 70_000

async function exchange(
  request: HttpRequest,
  { connectTimeoutMs }: { readonly connectTimeoutMs: number | undefined },
  tls: NativeInit['tls'],
): Promise<HttpReply> {
  const { url, signal } = request
  signal.throwIfAborted()
  const ended = new AbortController()
  const tooLate = (): void => ended.abort(new SendFailure('timeout', url.host))
  const onAbort = (): void => ended.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  const deadline = setTimeout(tooLate, request.deadlineMs)
  const doubt =
    connectTimeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          void knock(url, connectTimeoutMs / 2).then((is) => is === 'silent' && tooLate())
        }, connectTimeoutMs / 2)
  const init: NativeInit = {
    method: request.method,
    redirect: 'manual',
    signal: ended.signal,
    tls,
    proxy: false,
    decompress: false,
    timeout: false,
    ...(request.headers === undefined ? {} : { headers: request.headers }),
    ...(request.body === undefined ? {} : { body: request.body }),
  }
  let answered = false
  try {
    const response = await fetch(url, init)
    answered = true
    clearTimeout(doubt)
    // Two lengths at once: whoever stands between may have read the other one.
    if (response.headers.has('content-length') && response.headers.has('transfer-encoding')) {
      ended.abort()
      throw new SendFailure('malformed', url.host)
    }
    const body = await bodyOf(response, request.maxBodyBytes)
    if (body === undefined) {
      ended.abort()
      throw new SendFailure('too-large', url.host)
    }
    return { status: response.status, headers: Object.fromEntries(response.headers), body }
  } catch (error) {
    if (ended.signal.aborted && !(error instanceof SendFailure)) throw ended.signal.reason
    throw classify(error, { host: url.host, answered })
  } finally {
    clearTimeout(doubt)
    clearTimeout(deadline)
    signal.removeEventListener('abort', onAbort)
  }
}

/** The body; undefined where it is longer than it may be. */
async function bodyOf(response: Response, maxBytes: number): Promise<Buffer | undefined> {
  const { headers, body } = response
  const length = headers.get('content-length')
  if (length !== null) {
    return Number(length) > maxBytes ? undefined : Buffer.from(await response.arrayBuffer())
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.length
    if (size > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * Whether anybody shakes hands there. `fetch` does not tell when its own handshake is over, so that a
 * server that is slow with an answer looks like none at all; where there is doubt, a second one tells.
 */
async function knock(url: URL, limitMs: number): Promise<'answers' | 'silent'> {
  const { connect } = await import('node:tls')
  return new Promise((resolve) => {
    const socket = connect({
      host: bareHost(url.hostname),
      port: Number(url.port || 443),
      // Nothing is sent, whoever it is; whom to trust is for the request to say.
      rejectUnauthorized: false,
    })
    const tell = (how: 'answers' | 'silent') => () => {
      clearTimeout(limit)
      socket.destroy()
      resolve(how)
    }
    const limit = setTimeout(tell('silent'), limitMs)
    // An error is an answer too: the request will meet it by itself.
    for (const event of ['secureConnect', 'error', 'close']) socket.once(event, tell('answers'))
  })
}
