import { IdentityError } from '../core/errors.ts'
import { parseRecord } from '../core/json.ts'
import { Secret } from '../core/secret.ts'

/** Claims as the token states them. Nothing here was verified: that is Conjur's work. */
export type Claims = Readonly<Record<string, unknown>>

/** The JWT that the platform issues to this workload, read but not trusted. */
export interface PlatformToken {
  readonly kind: 'jwt'
  readonly secret: Secret
  readonly header: Claims
  readonly claims: Claims
  /** When the token ends, in epoch milliseconds by the issuer's clock; undefined if it does not say. */
  readonly expiresAt: number | undefined
}

/** A host's API key, which an administrator put in place: the one credential that no platform issues. */
export interface ApiKey {
  readonly kind: 'api-key'
  readonly secret: Secret
}

/** The signed headers of a request that only this workload could sign, as JSON: Conjur sends it on to AWS. */
export interface SignedHeaders {
  readonly kind: 'signed-headers'
  readonly secret: Secret
}

/** A certificate and its private key, both as PEM, for authn-k8s: shown in the TLS handshake. */
export interface ClientCertificate {
  readonly kind: 'client-certificate'
  readonly secret: Secret
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/** What can be presented to an authenticator; `secret` is what goes out. */
export type Credential = PlatformToken | ApiKey | SignedHeaders | ClientCertificate

/**
 * Where the credential comes from that Conjur is shown: nearly always a platform token.
 *
 * `token` gets it afresh at every call; it rejects with an {@link IdentityError} whose code tells
 * absent, not ready, refused, expired and malformed apart. Nothing is cached here.
 */
export interface IdentitySource<Kind extends Credential = Credential> {
  readonly name: string
  token(signal: AbortSignal): Promise<Kind>
  /** Files whose change is worth a new login; empty where there is none. */
  readonly watched: readonly string[]
}

/** What a source needs of time: epoch milliseconds, and a wait that ends early, with its reason, when the signal aborts. */
export interface Clock {
  now(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** Names the place a token came from, for messages. */
export interface TokenOrigin {
  /** Such as `/var/run/secrets/…/token` or `the metadata service`. */
  readonly from: string
  /** What to look at if it is unusable; by default, whatever writes that place. */
  readonly hint?: string
  /** Epoch milliseconds; only expiry is compared with it. */
  readonly now: number
}

const LONGEST_TOKEN = 16 * 1024

/**
 * Reads a JWT without trusting it: three parts, JSON header and payload, not expired. No more is
 * asked of it here; what Conjur may dislike about a token is said when Conjur refuses it.
 */
export function readPlatformToken(text: string, origin: TokenOrigin): PlatformToken {
  const token = text.trim()
  if (token === '') throw malformed(origin, 'is empty')
  if (token.length > LONGEST_TOKEN) throw malformed(origin, 'is longer than 16 KiB')
  const parts = token.split('.')
  const [first, second, third] = parts
  if (parts.length !== 3 || !first || !second || !third) {
    throw malformed(origin, 'is no JWT: it has not three parts separated by dots')
  }
  const header = readPart(first)
  const claims = readPart(second)
  if (header === undefined || claims === undefined) {
    throw malformed(origin, 'is no JWT: its header or payload is not JSON')
  }
  const expiresAt = typeof claims['exp'] === 'number' ? claims['exp'] * 1000 : undefined
  if (expiresAt !== undefined && expiresAt <= origin.now) throw expired(origin, expiresAt)
  return { kind: 'jwt', secret: new Secret(token), header, claims, expiresAt }
}

function readPart(part: string): Claims | undefined {
  if (!/^[\w=-]+$/.test(part)) return undefined
  return parseRecord(Buffer.from(part, 'base64url').toString('utf8'))
}

function malformed(origin: TokenOrigin, what: string): IdentityError {
  return new IdentityError('IDENTITY_MALFORMED', `the platform token from ${origin.from} ${what}`, {
    hint:
      origin.hint ?? `look at what writes ${origin.from}; it must hold one JWT and nothing else`,
    retryable: true,
    facts: { from: origin.from },
  })
}

/** The error of a token that ended before `origin.now`. */
export function expired(origin: TokenOrigin, expiresAt: number): IdentityError {
  const seconds = Math.round((origin.now - expiresAt) / 1000)
  return new IdentityError(
    'IDENTITY_EXPIRED',
    `the platform token from ${origin.from} expired ${seconds} s ago`,
    {
      hint: 'compare the clock of this machine with the issuer (date -u), then see why the token is not renewed',
      retryable: true,
      facts: { from: origin.from, expiredSecondsAgo: seconds },
    },
  )
}
