import { isIP } from 'node:net'
import { array, safeParse, string } from 'valibot'
import { contains } from './cidr.ts'
import { roleIdOf } from './ids.ts'
import { Halt, middleware } from './reply.ts'
import type { Request } from './request.ts'
import type { Claims } from './tokens.ts'
import type { World } from './world.ts'

/** Who sent a request, by its access token. */
export interface Identity {
  readonly login: string
  readonly roleId: string
  readonly claims: Claims
}

const untouched = [
  /^\/authn-oidc\/.*\/providers/,
  /^\/authn-[^/]+\/.*\/authenticate$/,
  /^\/authn\/.*\/authenticate$/,
  /^\/host_factories\/hosts$/,
  /^\/authenticators$/,
  /^\/$/,
]
const optional = [/^\/authn-[^/]+\//, /^\/authn\//, /^\/public_keys\//, /^\/devserver\//]
const recognised = ['iat', 'exp', 'cidr', 'sub', 'iss', 'aud', 'jti']

/** The `Accept` of the second generation of the API, whose refusals have no text. */
const v2 = 'application/x.secretsmgr.v2beta+json'

/**
 * Reads the access token before any routing: undefined where the path needs none and none was
 * sent. Halts with 401 or 403 where it is missing, malformed, not ours or expired.
 */
export async function identify(world: World, request: Request): Promise<Identity | undefined> {
  if (untouched.some((path) => path.test(request.path))) return undefined
  const token = sentToken(world, request.header('authorization'))
  if (token === undefined) {
    if (optional.some((path) => path.test(request.path))) return undefined
    return refuse(world, 401, request.header('accept') === v2 ? '' : 'Authorization missing')
  }
  const known = (await world.tokenKey()).verify(token)
  if (known === undefined || isExpired(known.claims, world.now())) {
    return refuse(world, 401, 'Unauthorized: Invalid token')
  }
  if (known.names.some((name) => !recognised.includes(name))) {
    return refuse(world, 401, 'token contains unrecognized claims')
  }
  if (!isFrom(known.claims.cidr, request.clientIp)) return refuse(world, 403, 'IP address rejected')
  const { claims } = known
  return { login: claims.sub, roleId: roleIdOf(world.settings.account, claims.sub), claims }
}

/** The JSON in `Token token="…"`; undefined for any other scheme or none. */
function sentToken(world: World, header: string | undefined): unknown {
  const quoted = /^Token token="([^]*)"/m.exec(header ?? '')?.[1]
  if (quoted === undefined) return undefined
  // Decoding skips what is not in the standard alphabet, `-` and `_` included: a URL-safe token
  // that holds one loses characters and is malformed. Node alone would read both alphabets.
  const standard = quoted.replace(/[^A-Za-z0-9+/=]/g, '').replace(/=.*$/, '')
  try {
    const parsed: unknown = JSON.parse(Buffer.from(standard, 'base64').toString('utf8'))
    return parsed ?? undefined
  } catch {
    return refuse(world, 401, 'Malformed authorization token')
  }
}

function isExpired({ iat, exp }: Claims, now: number): boolean {
  return (exp ?? iat + 480) * 1000 <= now
}

function isFrom(cidr: unknown, address: string): boolean {
  if (cidr === undefined) return true
  const ranges = safeParse(array(string()), cidr)
  return (
    ranges.success && isIP(address) !== 0 && ranges.output.some((range) => contains(range, address))
  )
}

function refuse(world: World, status: number, text: string): never {
  if (text !== '') world.log(text)
  throw new Halt(middleware(status, text))
}
