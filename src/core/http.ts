import type { Secret } from './secret.ts'

/** One request, complete: where it goes, how long it may take and how much may come back. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH'
  readonly url: URL
  /** Sent as given, names included; nothing is added but `Host` and `Content-Length`, by Bun's client `Accept` and `User-Agent`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Shown in the TLS handshake: a certificate and its private key, both as PEM. */
  readonly clientCertificate?: Secret
  /** Time from the call to the last byte of the reply, in milliseconds. */
  readonly deadlineMs: number
  /** A longer reply is a failure of kind `too-large`. */
  readonly maxBodyBytes: number
  readonly signal: AbortSignal
}

/** A reply of any status, read to its end. */
export interface HttpReply {
  readonly status: number
  /** Names in lower case; of a repeated header the first value. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** The host that said it, where several could have been asked. */
  readonly from?: string
}

/**
 * The one way out: sends a request and yields the reply, whatever its status.
 *
 * No redirect is followed. Where no whole reply came, it rejects with a {@link SendFailure};
 * where `signal` was aborted, with that signal's reason.
 */
export type Send = (request: HttpRequest) => Promise<HttpReply>

export type SendFailureKind =
  | 'unresolved'
  | 'refused'
  | 'unroutable'
  | 'proxy'
  | 'timeout'
  | 'reset'
  | 'cut'
  | 'too-large'
  | 'malformed'
  | 'tls-untrusted'
  | 'tls-wrong-name'
  | 'tls-expired'
  | 'tls-failed'

/** No whole reply came. The message says why in words; it holds the host, never path, query or body. */
export class SendFailure extends Error {
  readonly kind: SendFailureKind
  readonly host: string

  constructor(kind: SendFailureKind, host: string, cause?: unknown) {
    super(words(kind, host), { cause })
    this.name = 'SendFailure'
    this.kind = kind
    this.host = host
  }

  /** Whether the other side's certificate, not its absence, is the cause: waiting does not cure it. */
  get isTrust(): boolean {
    return this.kind.startsWith('tls-')
  }
}

/** The wait a reply asks for by `Retry-After` (seconds or HTTP date), in milliseconds; undefined if none or absurd. */
export function retryAfterMs(reply: HttpReply, now: number): number | undefined {
  const text = reply.headers['retry-after']?.trim()
  if (text === undefined || text === '') return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return ms > 0 && ms <= 24 * 3_600_000 ? ms : undefined
}

function words(kind: SendFailureKind, host: string): string {
  switch (kind) {
    case 'unresolved':
      return `the name ${host} does not resolve`
    case 'refused':
      return `${host} refuses the connection`
    case 'unroutable':
      return `there is no route to ${host}`
    case 'proxy':
      return `the proxy ${host} lets nothing through`
    case 'timeout':
      return `${host} does not answer in time`
    case 'reset':
      return `${host} closes the connection without an answer`
    case 'cut':
      return `the answer of ${host} ends before it is complete`
    case 'too-large':
      return `the answer of ${host} is too long`
    case 'malformed':
      return `${host} answers with something that is not HTTP`
    case 'tls-untrusted':
      return `the certificate of ${host} is signed by nobody we trust`
    case 'tls-wrong-name':
      return `the certificate of ${host} names another host`
    case 'tls-expired':
      return `the certificate of ${host} is expired or not yet valid`
    case 'tls-failed':
      return `no TLS session can be made with ${host}`
    default:
      return kind satisfies never
  }
}
