import { exportJWK, generateKeyPair, SignJWT, type JWK, type JWTPayload } from 'jose'

/** Signs tokens with a key of its own, as a platform does. */
export interface Issuer {
  /** The public keys, as a JWKS endpoint serves them. */
  readonly keys: { readonly keys: JWK[] }
  /** A token with these claims, valid from now on for so many seconds. */
  sign(claims: JWTPayload, lifeSeconds: number): Promise<string>
}

export async function createIssuer(kid: string): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair('RS256')
  return {
    keys: { keys: [{ ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' }] },
    sign(claims, lifeSeconds) {
      const now = Math.floor(Date.now() / 1000)
      return new SignJWT({ ...claims, iat: now, nbf: now, exp: now + lifeSeconds })
        .setProtectedHeader({ alg: 'RS256', kid, typ: 'JWT' })
        .sign(privateKey)
    },
  }
}
