import { apiKey, logIn } from '../authn/api-key.ts'
import { auditAttempt, serviceName, type Attempt, type Authenticator } from '../authn/attempt.ts'
import { azure } from '../authn/azure.ts'
import { gcp } from '../authn/gcp.ts'
import { jwt } from '../authn/jwt.ts'
import { oidc } from '../authn/oidc.ts'
import { explainRefusal } from '../explain.ts'
import { loginOf, roleIdOf } from '../ids.ts'
import { Refusal } from '../refusal.ts'
import { authentication } from '../refusals.ts'
import { failure, Halt, head, plain, rendered, withHeaders, type Reply } from '../reply.ts'
import type { TokenKey } from '../tokens.ts'
import type { World } from '../world.ts'
import { notDone, type Call } from './call.ts'

const authenticators: ReadonlyMap<string, Authenticator> = new Map([
  ['authn', apiKey],
  ['authn-azure', azure],
  ['authn-gcp', gcp],
  ['authn-jwt', jwt],
  ['authn-oidc', oidc],
])

/** POST …/authenticate: proves who one is and yields an access token. */
export async function authenticate(call: Call): Promise<Reply> {
  const { world, request } = call
  const attempt = attemptOf(call)
  const authenticator = authenticators.get(attempt.authenticator)
  if (['authn-iam', 'authn-k8s', 'authn-ldap'].includes(attempt.authenticator)) {
    throw notDone(attempt.authenticator)
  }
  let login = attempt.login
  try {
    if (authenticator === undefined) throw notSupported(attempt.authenticator)
    login = await authenticator.identify(world, attempt)
    await authenticator.admit(world, attempt, login)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return refused(world, attempt, { login, refusal: error })
  }
  auditAttempt(world, attempt, { login })
  return issued(world, { login, acceptEncoding: request.header('accept-encoding') })
}

/** GET /authn/ACCOUNT/login with Basic: the API key of who knows its password or the key itself. */
export function login(call: Call): Reply {
  const { world, request } = call
  const [name, secret] = basicCredentials(request.header('authorization')) ?? []
  const attempt = { ...attemptOf(call), login: name, body: Buffer.from(secret ?? '', 'utf8') }
  if (attempt.authenticator !== 'authn') throw notDone(`login by ${attempt.authenticator}`)
  if (name === undefined) return head(401)
  try {
    const key = logIn(world, attempt)
    auditAttempt(world, attempt, { login: name, verb: 'login' })
    return plain(key)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    auditAttempt(world, attempt, { login: name, error: error.message, verb: 'login' })
    world.log(`CONJ00047I Login Error: #<ApplicationController::Unauthorized: ${error.message}>`)
    world.explain(explainRefusal(401, attempt, { login: name, refusal: error }))
    return head(error.code === 'CONJ00003E' ? 403 : 401)
  }
}

/** The name and password of a Basic header; undefined for any other. */
export function basicCredentials(
  header: string | undefined,
): readonly [string, string] | undefined {
  const encoded = /^Basic (.*)/.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : [text.slice(0, colon), text.slice(colon + 1)]
}

/** What the path and the request say about who tries what. */
export function attemptOf({ params, request }: Call): Attempt {
  return {
    authenticator: params['authenticator'] ?? 'authn-jwt',
    serviceId: params['service'],
    account: params['account'] ?? '',
    login: params['id'],
    body: request.body,
    authorization: request.header('authorization'),
    clientIp: request.clientIp,
  }
}

/** The refusal of an authenticator that nobody has heard of. */
export function notSupported(name: string): Refusal {
  return authentication(
    'AuthenticatorNotSupported',
    `CONJ00001E Authenticator '${name}' is not supported in Conjur`,
  )
}

function refused(
  world: World,
  attempt: Attempt,
  failed: { login: string | undefined; refusal: Refusal },
): Reply {
  const { refusal } = failed
  // Of authn-jwt the outer record knows the login of the URL alone; of the others the one found.
  const login = attempt.authenticator === 'authn-jwt' ? attempt.login : failed.login
  auditAttempt(world, attempt, { login, error: refusal.message })
  const shown = attempt.authenticator === 'authn' ? refusal.message : refusal.inspected
  world.log(`CONJ00048I Authentication Error: ${shown}`)
  const status = attempt.authenticator === 'authn' ? 401 : statusOf(refusal)
  world.explain(explainRefusal(status, attempt, failed))
  if (refusal.code === 'CONJ00016E')
    return failure(401, { code: 'unauthorized', message: refusal.message })
  return head(status)
}

function statusOf({ code }: Refusal): number {
  switch (code) {
    case 'CONJ00006E':
      return 403
    case 'CONJ00009E':
      return 400
    case 'CONJ00044E':
      return 503
    default:
      return 401
  }
}

async function issued(
  world: World,
  asked: { readonly login: string; readonly acceptEncoding: string | undefined },
): Promise<Reply> {
  const token = signFor(world, await world.tokenKey(), asked.login)
  const wantsBase64 = asked.acceptEncoding
    ?.split(',')
    .some((coding) => coding.trim().toLowerCase() === 'base64')
  if (wantsBase64 !== true) {
    return rendered(200, { type: 'application/json; charset=utf-8', body: token })
  }
  return withHeaders(plain(Buffer.from(token).toString('base64')), ['Content-Encoding', 'base64'])
}

function signFor(world: World, key: TokenKey, login: string): string {
  const { settings } = world
  const iat = Math.floor(world.now() / 1000)
  const sub = loginOf(roleIdOf(settings.account, login))
  const ttl = login.startsWith('host/') ? settings.hostTokenTtl : settings.userTokenTtl
  return key.sign(settings.dapEra ? { iat, sub } : { iat, sub, exp: iat + ttl })
}

/** Halts unless Basic credentials are the API key or password of a role; yields its id. */
export function basicRole(call: Call): string {
  const [name, secret] = basicCredentials(call.request.header('authorization')) ?? []
  if (name === undefined) throw new Halt(head(401))
  const attempt = {
    ...attemptOf(call),
    authenticator: 'authn',
    login: name,
    body: Buffer.from(secret ?? ''),
  }
  try {
    logIn(call.world, attempt)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    call.world.log(`${serviceName(attempt)}: ${error.message}`)
    throw new Halt(head(401))
  }
  return roleIdOf(attempt.account, name)
}
