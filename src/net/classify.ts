import { AgentError } from '../core/errors.ts'
import { SendFailure, type SendFailureKind } from '../core/http.ts'

const KINDS: Readonly<Record<string, SendFailureKind>> = {
  ENOTFOUND: 'unresolved',
  EAI_AGAIN: 'unresolved',
  EAI_FAIL: 'unresolved',
  EAI_NODATA: 'unresolved',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unroutable',
  ENETUNREACH: 'unroutable',
  EADDRNOTAVAIL: 'unroutable',
  UND_ERR_PRX_TLS: 'proxy',
  ETIMEDOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'cut',
  UND_ERR_HEADERS_OVERFLOW: 'too-large',
  HPE_HEADER_OVERFLOW: 'too-large',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls-untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'tls-untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls-untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls-untrusted',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls-untrusted',
  CERT_SIGNATURE_FAILURE: 'tls-untrusted',
  CERT_UNTRUSTED: 'tls-untrusted',
  CERT_REJECTED: 'tls-untrusted',
  INVALID_CA: 'tls-untrusted',
  INVALID_PURPOSE: 'tls-untrusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'tls-wrong-name',
  CERT_HAS_EXPIRED: 'tls-expired',
  CERT_NOT_YET_VALID: 'tls-expired',
  EPROTO: 'tls-failed',
  // Bun's own words.
  Malformed_HTTP_Response: 'malformed',
  InvalidHTTPResponse: 'malformed',
  InvalidContentLength: 'malformed',
  UnrequestedUpgrade: 'malformed',
}

/**
 * What a transport error means to us, once for the whole program. `answered` tells whether the
 * reply had begun. An AgentError, such as that of an unreadable CA file, stays what it is.
 */
export function classify(
  error: unknown,
  { host, answered }: { host: string; answered: boolean },
): Error {
  if (error instanceof SendFailure || error instanceof AgentError) return error
  const code = codeOf(error)
  const kind = isRefusedTunnel(error) ? 'proxy' : (KINDS[code] ?? byFamily(code, answered))
  return new SendFailure(kind, host, error)
}

/** undici gives a CONNECT that was not answered with 200 no code of its own. */
function isRefusedTunnel(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Proxy response (')
}

function byFamily(code: string, answered: boolean): SendFailureKind {
  if (code.startsWith('HPE_')) return 'malformed'
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) return 'tls-failed'
  return answered ? 'cut' : 'reset'
}

/** The first code to be found: attempts on several addresses come as an AggregateError. */
function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return ''
  if (error instanceof AggregateError) {
    const codes = error.errors.map((inner) => codeOf(inner)).filter((code) => code !== '')
    if (codes[0] !== undefined) return codes[0]
  }
  if ('code' in error && typeof error.code === 'string') return error.code
  return 'cause' in error ? codeOf(error.cause) : ''
}
