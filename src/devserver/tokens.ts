import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  privateEncrypt,
  publicDecrypt,
  randomBytes,
  type KeyObject,
} from 'node:crypto'
import { promisify } from 'node:util'
import { number, object, optional, record, safeParse, string, unknown } from 'valibot'

/** What an access token says. Times in seconds; without `exp` it lives 480 s from `iat`. */
export interface Claims {
  readonly sub: string
  readonly iat: number
  readonly exp?: number | undefined
  readonly cidr?: unknown
}

/** The account's signing key: makes access tokens and recognises its own. */
export interface TokenKey {
  /** The three-part token, as JSON text. */
  sign(claims: Claims): string
  /** What a genuine token says, expired or not; undefined for any other. */
  verify(token: unknown): { readonly claims: Claims; readonly names: readonly string[] } | undefined
  /** The private key in PEM, for a state file. */
  readonly pem: string
}

const algorithm = 'conjur.org/slosilo/v2'
const saltLength = 32
const parts = object({ protected: string(), payload: string(), signature: string() })
const header = object({ alg: string(), kid: string() })
const payload = object({
  sub: string(),
  iat: number(),
  exp: optional(number()),
  cidr: optional(unknown()),
})

/** Makes a fresh signing key; takes a good part of a second, off the main thread. */
export async function generateTokenKey(): Promise<TokenKey> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  return tokenKey(privateKey)
}

/** The signing key of a state file. Throws where the text is no private key. */
export function tokenKeyFromPem(pem: string): TokenKey {
  return tokenKey(createPrivateKey(pem))
}

function tokenKey(key: KeyObject): TokenKey {
  const publicKey = createPublicKey(key)
  const der = publicKey.export({ type: 'spki', format: 'der' })
  const kid = createHash('sha256').update(der).digest('hex')
  const protectedPart = encode(JSON.stringify({ alg: algorithm, kid }))
  return {
    pem: key.export({ type: 'pkcs8', format: 'pem' }),
    sign({ iat, sub, exp }) {
      const payloadPart = encode(JSON.stringify({ iat, sub, exp }))
      const salt = randomBytes(saltLength)
      const sealed = privateEncrypt(
        { key, padding: constants.RSA_PKCS1_PADDING },
        digest(salt, `${protectedPart}.${payloadPart}`),
      )
      return JSON.stringify({
        protected: protectedPart,
        payload: payloadPart,
        signature: encode(Buffer.concat([sealed, salt])),
      })
    },
    verify(token) {
      const taken = safeParse(parts, token)
      if (!taken.success) return undefined
      const { signature } = taken.output
      const head = safeParse(header, decode(taken.output.protected))
      if (!head.success || head.output.alg !== algorithm || head.output.kid !== kid)
        return undefined
      const signed = `${taken.output.protected}.${taken.output.payload}`
      if (!isSealed({ signature: Buffer.from(signature, 'base64url'), signed, publicKey }))
        return undefined
      const body = decode(taken.output.payload)
      const claims = safeParse(payload, body)
      const names = safeParse(record(string(), unknown()), body)
      if (!claims.success || !names.success) return undefined
      return { claims: claims.output, names: Object.keys(names.output) }
    },
  }
}

function isSealed(seal: { signature: Buffer; signed: string; publicKey: KeyObject }): boolean {
  const sealed = seal.signature.subarray(0, -saltLength)
  const salt = seal.signature.subarray(-saltLength)
  try {
    const opened = publicDecrypt(
      { key: seal.publicKey, padding: constants.RSA_PKCS1_PADDING },
      sealed,
    )
    return opened.equals(digest(salt, seal.signed))
  } catch {
    return false
  }
}

function digest(salt: Buffer, signed: string): Buffer {
  return createHash('sha256').update(salt).update(signed).digest()
}

/** URL-safe base64 with padding: Conjur's own mixture. */
function encode(bytes: string | Buffer): string {
  return Buffer.from(bytes).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}

function decode(part: string): unknown {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return parsed
  } catch {
    return undefined
  }
}
