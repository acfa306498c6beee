import { parseRecord } from '../core/json.ts'
import { Secret } from '../core/secret.ts'

/** A short-lived token of Conjur, as received. */
export interface AccessToken {
  /** The token's JSON text, byte for byte. */
  readonly secret: Secret
  /** From its issue to its end, in milliseconds by the server's own clock. */
  readonly lifetimeMs: number
  /** The login that Conjur wrote into it, such as `host/apps/web`. */
  readonly login: string
}

/** Servers before `exp` was written let a token live this long. */
const LEGACY_LIFETIME_MS = 480_000
/** Whatever a token says of itself, it is renewed within a day. */
const LONGEST_LIFETIME_MS = 86_400_000

/** Reads the JSON text of an access token; undefined if it is none. The signature is opaque to clients. */
export function parseAccessToken(text: string): AccessToken | undefined {
  return readAccessToken(text)?.token
}

/** The same, with the epoch milliseconds at which the server says it issued the token. */
export function readAccessToken(
  text: string,
): { readonly token: AccessToken; readonly issuedAt: number } | undefined {
  const token = parseRecord(text)
  if (token === undefined) return undefined
  const { protected: header, payload, signature } = token
  if (typeof header !== 'string' || typeof payload !== 'string' || typeof signature !== 'string') {
    return undefined
  }
  const claims = parseRecord(Buffer.from(payload, 'base64url').toString('utf8'))
  if (claims === undefined) return undefined
  const { iat, exp, sub } = claims
  if (typeof iat !== 'number' || typeof sub !== 'string') return undefined
  const lifetimeMs = typeof exp === 'number' ? (exp - iat) * 1000 : LEGACY_LIFETIME_MS
  if (!(lifetimeMs > 0)) return undefined
  return {
    token: {
      secret: new Secret(text),
      lifetimeMs: Math.min(lifetimeMs, LONGEST_LIFETIME_MS),
      login: sub,
    },
    issuedAt: iat * 1000,
  }
}

/** The Authorization header that carries it. Standard base64: the server refuses the URL-safe alphabet here. */
export function authorization({ secret }: Pick<AccessToken, 'secret'>): string {
  return `Token token="${secret.bytes().toString('base64')}"`
}
