import type { CryptoKey } from 'jose'
import { array, looseObject, record, safeParse, string, unknown, type InferOutput } from 'valibot'
import { decodeFailed, tokenExpired } from '../refusals.ts'
import type { SigningKeys } from './signing-keys.ts'

/** What a token says, by claim. */
export type TokenClaims = Readonly<Record<string, unknown>>

/** What else a token is held to, beside `exp` and `nbf` where it has them. */
export interface Expectation {
  /** Seconds since 1970. */
  readonly now: number
  readonly issuer?: string | undefined
  readonly audience?: string | undefined
  readonly checkIssuedAt?: boolean
}

const jwk = looseObject({ kid: unknown(), kty: string() })
const anyObject = record(string(), unknown())

/**
 * Checks a compact JWT against an issuer's keys: shape, algorithm, `kid`, signature (by jose), then
 * times, issuer and audience, with no leeway. Throws CONJ00016E for an expired token, CONJ00035E
 * for every other fault.
 */
export async function verifyToken(
  token: string,
  keys: SigningKeys,
  expected: Expectation,
): Promise<TokenClaims> {
  const parts = token.split('.')
  if (parts.length !== 3) throw decodeFailed('DecodeError: Not enough or too many segments')
  const [head = '', body = ''] = parts
  const header = segment(head)
  const { alg, kid } = header
  if (keys.algorithms === undefined || keys.algorithms.length === 0) {
    throw decodeFailed('IncorrectAlgorithm: An algorithm must be specified', {
      because: 'the discovery document names no id_token_signing_alg_values_supported',
    })
  }
  if (typeof alg !== 'string') throw decodeFailed('IncorrectAlgorithm: Token is missing alg header')
  if (!keys.algorithms.includes(alg)) {
    throw decodeFailed('IncorrectAlgorithm: Expected a different algorithm', {
      because: `alg: token "${alg}", allowed ${keys.algorithms.join(', ')}`,
    })
  }
  await verifySignature({ token, alg, kid }, keys.keys)
  const claims = segment(body)
  checkClaims(claims, expected)
  return claims
}

/** The claims of a token, unchecked: only for one that {@link verifyToken} has passed. */
export function claimsOf(token: string): TokenClaims {
  return segment(token.split('.')[1] ?? '')
}

function segment(part: string): TokenClaims {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    const found = safeParse(anyObject, parsed)
    if (found.success) return found.output
  } catch {
    // Told below, like what parses and is no object.
  }
  throw decodeFailed('DecodeError: Invalid segment encoding')
}

async function verifySignature(
  sent: { token: string; alg: string; kid: unknown },
  keys: readonly unknown[],
): Promise<void> {
  const { token, alg, kid } = sent
  if (kid === undefined || kid === null)
    throw decodeFailed('DecodeError: No key id (kid) found from token headers')
  if (typeof kid !== 'string')
    throw decodeFailed('DecodeError: Invalid type for kid header parameter')
  const parsed = safeParse(array(jwk), keys)
  if (!parsed.success) throw decodeFailed('JWKError: Key format is invalid')
  const alien = parsed.output.find(({ kty }) => !['RSA', 'EC', 'oct'].includes(kty))
  if (alien !== undefined) {
    throw decodeFailed(`JWKError: Key type ${alien.kty} not supported`, {
      because: `one key of the issuer is of type ${alien.kty}: the server reads none of them then`,
    })
  }
  if (parsed.output.length === 0) throw decodeFailed('DecodeError: No keys found in jwks')
  const key = parsed.output.find((each) => each.kid === kid)
  if (key === undefined) {
    const known = parsed.output.map((each) => String(each.kid)).join(', ')
    throw decodeFailed(`DecodeError: Could not find public key for kid ${kid}`, {
      because: `kid: token "${kid}", issuer ${known}`,
    })
  }
  const { compactVerify } = await import('jose')
  try {
    await compactVerify(token, await imported(key, alg), { algorithms: [alg] })
  } catch {
    throw decodeFailed('VerificationError: Signature verification failed', {
      because: `the signature was not made by key "${kid}" of the issuer`,
    })
  }
}

async function imported(
  key: InferOutput<typeof jwk>,
  alg: string,
): Promise<CryptoKey | Uint8Array> {
  // Only the key itself counts: what the JWK says of use and algorithm, the real server does not read.
  const { alg: _, use: __, key_ops: ___, ...bare } = key
  const { importJWK } = await import('jose')
  return importJWK({ ...bare, kty: key.kty, kid: String(key.kid) }, alg)
}

function checkClaims(claims: TokenClaims, expected: Expectation): void {
  const { exp, nbf, iat, iss, aud } = claims
  const whole = Math.floor(expected.now)
  if (exp !== undefined && Math.trunc(seconds(exp, 'exp')) <= whole) {
    throw tokenExpired(new Date(seconds(exp, 'exp') * 1000).toISOString())
  }
  if (nbf !== undefined && Math.trunc(seconds(nbf, 'nbf')) > whole) {
    throw decodeFailed('ImmatureSignature: Signature nbf has not been reached', {
      because: `nbf lies ${Math.ceil(seconds(nbf, 'nbf') - expected.now)} s ahead of this server's clock`,
    })
  }
  if (expected.issuer !== undefined && iss !== expected.issuer) {
    throw decodeFailed(
      `InvalidIssuerError: Invalid issuer. Expected ["${expected.issuer}"], received ${text(iss)}`,
      { because: `iss: token "${text(iss)}", expected "${expected.issuer}"` },
    )
  }
  if (expected.checkIssuedAt === true && iat !== undefined && seconds(iat, 'iat') > expected.now) {
    throw decodeFailed('InvalidIatError: Invalid iat', {
      because: `iat lies ${Math.ceil(seconds(iat, 'iat') - expected.now)} s ahead of this server's clock`,
    })
  }
  if (expected.audience !== undefined && !listOf(aud).includes(expected.audience)) {
    throw decodeFailed(
      `InvalidAudError: Invalid audience. Expected ${expected.audience}, received ${text(aud)}`,
      { because: `aud: token "${text(aud)}", variable audience "${expected.audience}"` },
    )
  }
}

function seconds(value: unknown, name: string): number {
  const number = typeof value === 'string' ? Number.parseInt(value, 10) : value
  if (typeof number !== 'number' || Number.isNaN(number)) {
    throw decodeFailed(`InvalidPayload: ${name} claim must be a Numeric value`)
  }
  return number
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value]
}

function text(value: unknown): string {
  if (value === undefined || value === null) return '<none>'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
