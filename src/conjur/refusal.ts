import { ConjurError } from '../core/errors.ts'
import { retryAfterMs, SendFailure, type HttpReply } from '../core/http.ts'

/** What was asked of Conjur: the object of the message's sentence. */
export interface Asked {
  /** Such as `login host/apps/web with authn-jwt/prod`. */
  readonly what: string
  readonly host: string
  /** Epoch milliseconds, to read a `Retry-After` date. */
  readonly now: number
}

/** The CONJ… code that a reply names, if its body is Conjur's own JSON or text. */
export function conjurCode(reply: HttpReply): string | undefined {
  return /\bCONJ\d{5}[EWIDF]\b/.exec(reply.body.subarray(0, 4096).toString('latin1'))?.[0]
}

/** The error of a reply that is neither what was asked for nor one the caller knows better. */
export function unexpectedReply(reply: HttpReply, asked: Asked): ConjurError {
  const { status, from: host = asked.host } = reply
  const code = conjurCode(reply)
  const facts = { host, status, ...(code === undefined ? {} : { conjurCode: code }) }
  if (status >= 300 && status < 400) {
    return new ConjurError(
      'CONJUR_BAD_REPLY',
      `${host} redirects ${asked.what} elsewhere (${status}); redirects are not followed`,
      { hint: 'set CONJUR_APPLIANCE_URL to the address that Conjur itself answers', facts },
    )
  }
  if (status === 429 || status >= 500) {
    return new ConjurError(
      'CONJUR_UNAVAILABLE',
      `${host} cannot answer ${asked.what} now (${status})`,
      {
        hint: `look at Conjur's own health and log; it is asked again`,
        retryable: true,
        facts,
        retryAfterMs: retryAfterMs(reply, asked.now),
      },
    )
  }
  if (status === 200 || status === 201 || status === 204) {
    return new ConjurError(
      'CONJUR_BAD_REPLY',
      `${host} answers ${asked.what} with something that is not Conjur's`,
      {
        hint: `curl -i ${host} shows who answers there: a proxy, a portal, or a base path that is missing in CONJUR_APPLIANCE_URL`,
        retryable: true,
        facts: { ...facts, contentType: reply.headers['content-type'] },
      },
    )
  }
  return new ConjurError('CONJUR_REJECTED', `${host} rejects ${asked.what} (${status})`, {
    hint: `see Conjur's own log at this time for the CONJ… code`,
    facts,
  })
}

/** The error of a request that brought no reply. Anything but a SendFailure is passed on as it is. */
export function noReply(error: unknown, asked: Asked): unknown {
  if (!(error instanceof SendFailure)) return error
  const host = error.kind === 'proxy' ? asked.host : error.host
  const facts = { host, kind: error.kind }
  if (error.isTrust) {
    return new ConjurError('CONJUR_UNTRUSTED', error.message, {
      hint: trustHint(error, host),
      facts,
      cause: error,
    })
  }
  return new ConjurError('CONJUR_UNREACHABLE', error.message, {
    hint:
      error.kind === 'proxy'
        ? `curl -v https://${host}/ through HTTPS_PROXY; to go without it put ${host} into NO_PROXY`
        : `curl -v https://${host}/ from this machine; then CONJUR_APPLIANCE_URL, its DNS name and the network policy`,
    retryable: true,
    facts,
    cause: error,
  })
}

function trustHint({ kind }: SendFailure, host: string): string {
  const show = `openssl s_client -showcerts -connect ${host.includes(':') ? host : `${host}:443`}`
  switch (kind) {
    case 'tls-wrong-name':
      return `set CONJUR_APPLIANCE_URL to a name that stands in the certificate; ${show} shows it`
    case 'tls-expired':
      return `compare the clock (date -u) with the certificate's dates; ${show} shows them`
    case 'tls-untrusted':
      return `put the CA that signed it into CONJUR_SSL_CERTIFICATE or CONJUR_CERT_FILE; ${show} shows the chain`
    default:
      return `${show} shows where the handshake ends`
  }
}
