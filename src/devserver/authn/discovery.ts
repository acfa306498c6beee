import { array, object, optional, safeParse, string, unknown } from 'valibot'
import type { World } from '../world.ts'
import { FetchFailed } from './fetch-text.ts'
import { discoveryFailed, type SigningKeys } from './signing-keys.ts'

const document = object({
  jwks_uri: string(),
  id_token_signing_alg_values_supported: optional(array(string())),
})
const keySet = object({ keys: array(unknown()) })

/**
 * The keys of an OpenID provider, by way of its discovery document. Queries of both addresses are
 * dropped, as the real server drops them. Throws CONJ00010E or CONJ00011E.
 */
export async function discover(
  world: World,
  uri: string,
  ca: string | undefined,
): Promise<SigningKeys> {
  const found = safeParse(
    document,
    await fetchJson(world, uri, { address: `${uri}/.well-known/openid-configuration`, ca }),
  )
  if (!found.success)
    throw discoveryFailed(uri, { reason: 'no jwks_uri in the document', timedOut: false })
  const keys = safeParse(
    keySet,
    await fetchJson(world, uri, { address: found.output.jwks_uri, ca }),
  )
  if (!keys.success)
    throw discoveryFailed(uri, { reason: 'no keys at the jwks_uri', timedOut: false })
  return { keys: keys.output.keys, algorithms: found.output.id_token_signing_alg_values_supported }
}

async function fetchJson(
  world: World,
  uri: string,
  from: { address: string; ca: string | undefined },
): Promise<unknown> {
  const fail = (reason: string, timedOut: boolean): Error =>
    discoveryFailed(uri, { reason, timedOut })
  const reply = await world
    .fetch(from.address.replace(/[?#].*$/, ''), from.ca)
    .catch((error: unknown) => {
      throw fail(
        error instanceof Error ? error.message : String(error),
        error instanceof FetchFailed && error.timedOut,
      )
    })
  if (reply.status < 200 || reply.status > 299)
    throw fail(`Error Response Code: '${reply.status}' from '${from.address}'`, false)
  try {
    const parsed: unknown = JSON.parse(reply.body)
    return parsed
  } catch {
    throw fail(`the answer of ${from.address} is no JSON`, false)
  }
}
