import type { World } from '../world.ts'
import { discover } from './discovery.ts'
import type { SigningKeys } from './signing-keys.ts'
import { verifyToken, type TokenClaims } from './verify.ts'

/**
 * Verifies a token against an OpenID provider's keys, as authn-azure, authn-oidc and authn-gcp do.
 *
 * A token that fails makes the server fetch the keys again, and yet this attempt is judged by the
 * keys it began with: the first login after a key rotation fails, the second passes.
 */
export async function verifyByProvider(
  world: World,
  token: string,
  provider: {
    readonly uri: string
    readonly ca?: string | undefined
    readonly issuer?: string
    readonly checkIssuedAt?: boolean
  },
): Promise<TokenClaims> {
  const keysOf = (refresh: boolean): Promise<SigningKeys> =>
    world.keys.get(`provider ${provider.uri} ${provider.ca ?? ''}`, {
      refresh,
      fetch: () => discover(world, provider.uri, provider.ca),
    })
  const keys = await keysOf(false)
  const expected = {
    now: world.now() / 1000,
    issuer: provider.issuer,
    checkIssuedAt: provider.checkIssuedAt ?? false,
  }
  try {
    return await verifyToken(token, keys, expected)
  } catch {
    await keysOf(true)
    return verifyToken(token, keys, expected)
  }
}
