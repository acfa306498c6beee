import { randomApiKey, hashPassword } from '../api-key.ts'
import { fullId, partsOf } from '../ids.ts'
import { exception, failure, Halt, head, json, plain, rendered, type Reply } from '../reply.ts'
import { credentialsOf, isActor, isAllowed, isVisible, valueOf } from '../store.ts'
import { basicCredentials, basicRole } from './authenticate.ts'
import type { Call } from './call.ts'
import { timestamp } from '../timestamp.ts'

/** The version this server plays. */
const playedVersion = '1.24.0'

/** GET /: what this is, as a page or, where Accept asks for it, as JSON. */
export function root({ request }: Call): Reply {
  const version = `${playedVersion}-devserver`
  if (/\bjson\b/.test(request.header('accept') ?? '')) return json({ version })
  return rendered(200, {
    type: 'text/html; charset=utf-8',
    body: `<!DOCTYPE html><title>conjur-agent devserver</title><h1>conjur-agent devserver</h1>
<p>This plays Conjur ${version} for development and tests. It is no Conjur: keep no secret here that matters.</p>\n`,
  })
}

/** GET /whoami: whose token this is. */
export function whoami({ world, request, identity }: Call): Reply {
  if (identity === undefined) return exception(500, request.header('accept'))
  return json({
    client_ip: request.clientIp,
    user_agent: request.header('user-agent') ?? null,
    account: world.settings.account,
    username: identity.login,
    token_issued_at: timestamp(identity.claims.iat * 1000),
  })
}

/** PUT /authn/ACCOUNT/api_key: a new API key, for oneself by Basic or for another with `update`. */
export function rotateApiKey(call: Call): Reply {
  const { world } = call
  const target = keyOwner(call)
  const apiKey = randomApiKey()
  const credentials = { ...credentialsOf(world.store, target), apiKey, rotatedAt: world.now() }
  world.store.credentials.set(target, credentials)
  world.changed()
  return plain(apiKey)
}

/** GET /authn/ACCOUNT/api_key: when that key was last replaced. */
export function apiKeyRotatedAt(call: Call): Reply {
  const role = keyOwner(call)
  const { rotatedAt } = credentialsOf(call.world.store, role)
  const timestamp =
    rotatedAt === undefined ? '' : new Date(rotatedAt).toISOString().replace(/\.\d+/, '')
  return json({ role, timestamp })
}

/** Whose key is meant, once it is clear that the caller may have to do with it. */
function keyOwner(call: Call): string {
  const { world, request, params, identity } = call
  const isBasic = basicCredentials(request.header('authorization')) !== undefined
  const caller = isBasic ? basicRole(call) : identity?.roleId
  if (caller === undefined) throw new Halt(head(401))
  const asked = request.query.get('role')
  const target = asked === undefined ? caller : fullId(asked, params['account'] ?? '')
  if (target === undefined || !world.store.roles.has(target)) {
    throw new Halt(notFoundFor(asked ?? '', caller))
  }
  if (target === caller && !isBasic) {
    throw new Halt(
      failure(401, { code: 'unauthorized', message: 'Credential strength is insufficient' }),
    )
  }
  if (target !== caller) requireUpdate(call, { caller, target, isBasic })
  if (isActor(target)) return target
  const message = `CONJ00126E Role '${target}' is not applicable for key rotation`
  throw new Halt(failure(405, { code: 'method_not_allowed', message }))
}

/** PUT /authn/ACCOUNT/password: a new password for the user that Basic names. */
export function updatePassword(call: Call): Reply {
  const { world, request } = call
  const role = basicRole(call)
  if (partsOf(role).kind !== 'user') return head(403)
  if (!isStrong(request.body.toString('utf8'))) {
    const message =
      'CONJ00046E The password you have chosen does not meet the complexity requirements. ' +
      'Choose a password that includes: 12-128 characters, 2 uppercase letters, 2 lowercase letters, 1 digit and 1 special character'
    return failure(422, {
      code: 'validation_failed',
      message: `password ${message}`,
      details: [{ code: 'validation_failed', target: 'password', message }],
    })
  }
  const credentials = credentialsOf(world.store, role)
  world.store.credentials.set(role, { ...credentials, passwordHash: hashPassword(request.body) })
  world.changed()
  return head(204)
}

/** GET /public_keys/ACCOUNT/user/ID: that user's public keys, a line each. */
export function publicKeys({ world, params }: Call): Reply {
  const prefix = `${params['account']}:public_key:${params['kind']}/${params['identifier']}/`
  const keys: string[] = []
  for (const id of world.store.resources.keys()) {
    if (id.startsWith(prefix)) keys.push(valueOf(world.store, id)?.toString('utf8').trim() ?? '')
  }
  return rendered(200, { type: 'text/plain; charset=utf-8', body: `${keys.join('\n').trim()}\n` })
}

function requireUpdate(
  call: Call,
  wish: { caller: string; target: string; isBasic: boolean },
): void {
  const { store } = call.world
  if (wish.isBasic) throw new Halt(head(401))
  const resource = store.resources.get(wish.target)
  if (resource === undefined || !isVisible(store, wish.caller, resource)) {
    throw new Halt(notFoundFor(wish.target, wish.caller))
  }
  if (!isAllowed(store, wish.caller, { privilege: 'update', on: resource }))
    throw new Halt(head(403))
}

function notFoundFor(resource: string, role: string): Reply {
  const message = `CONJ00123E Resource '${resource}' requested by role '${role}' not found`
  return failure(404, { code: 'not_found', message })
}

function isStrong(password: string): boolean {
  const count = (pattern: RegExp): number => password.match(pattern)?.length ?? 0
  return (
    password.length >= 12 &&
    password.length <= 128 &&
    count(/[A-Z]/g) >= 2 &&
    count(/[a-z]/g) >= 2 &&
    count(/\d/g) >= 1 &&
    count(/[^A-Za-z0-9]/g) >= 1
  )
}
