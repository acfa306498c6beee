import { requireAccess, requireAccount, requireEnabled } from '../authn/access.ts'
import { auditAttempt, serviceName, webserviceId, type Attempt } from '../authn/attempt.ts'
import { azureStatus } from '../authn/azure.ts'
import { gcpStatus } from '../authn/gcp.ts'
import { jwtStatus } from '../authn/jwt.ts'
import { oidcStatus } from '../authn/oidc.ts'
import { parseForm } from '../authn/form.ts'
import { explainRefusal } from '../explain.ts'
import { identifierOf, kindOf, loginOf } from '../ids.ts'
import { Refusal } from '../refusal.ts'
import { authentication, missingValue, webserviceNotFound } from '../refusals.ts'
import { exception, head, json, type Reply } from '../reply.ts'
import { byText, type Store } from '../store.ts'
import type { World } from '../world.ts'
import { attemptOf, notSupported } from './authenticate.ts'
import { callerOf, type Call } from './call.ts'

const installed = [
  'authn',
  'authn-azure',
  'authn-gcp',
  'authn-iam',
  'authn-jwt',
  'authn-k8s',
  'authn-ldap',
  'authn-oidc',
]

/** GET /authenticators: what there is, what policy declares and what is switched on. */
export function listAuthenticators({ world }: Call): Reply {
  const configured = configuredAuthenticators(world.store)
  const { enabled, enabledByDefault } = world.store
  const switchedOn = [...enabled, ...enabledByDefault].map((id) =>
    identifierOf(id).slice('conjur/'.length),
  )
  return json({
    installed,
    configured: ['authn', ...configured].sort(byText),
    enabled: [...new Set(['authn', ...switchedOn])].sort(byText),
  })
}

/** The names of all authenticators whose webservice is declared, such as `authn-jwt/prod`. */
export function configuredAuthenticators(store: Store): readonly string[] {
  const names: string[] = []
  for (const id of store.resources.keys()) {
    if (kindOf(id) !== 'webservice') continue
    const name = /^conjur\/(authn(?:-[^/]+)?(?:\/[^/]+)?)$/.exec(identifierOf(id))?.[1]
    if (name !== undefined) names.push(name)
  }
  return names
}

/** PATCH /AUTHENTICATOR/SERVICE/ACCOUNT: switches an authenticator on or off. */
export function updateAuthenticator(call: Call): Reply {
  const { world, request } = call
  const caller = callerOf(call)
  const attempt = attemptOf(call)
  const enabled = enabledIn(request.header('content-type'), request.body)
  if (enabled === undefined) return head(400)
  try {
    requireAccount(world, attempt.account)
    if (!world.store.resources.has(webserviceId(attempt)))
      throw webserviceNotFound(serviceName(attempt))
    if (!configuredAuthenticators(world.store).includes(serviceName(attempt)))
      throw notSupported(serviceName(attempt))
    requireAccess(world, attempt, { login: loginOf(caller), privilege: 'update' })
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    world.log(`CONJ00048I Authentication Error: ${error.inspected}`)
    const status = error.code === 'CONJ00006E' ? 403 : 401
    world.explain(explainRefusal(status, attempt, { login: loginOf(caller), refusal: error }))
    return head(status)
  }
  const id = webserviceId(attempt)
  world.store.enabledByDefault.delete(id)
  world.store.enabled.delete(id)
  if (enabled) {
    // Whoever switches one on plays the real server, where nothing is on by itself.
    world.store.enabledByDefault.clear()
    world.store.enabled.add(id)
  }
  world.changed()
  return head(204)
}

/** GET /AUTHENTICATOR/SERVICE/ACCOUNT/status: whether it could work, with what stands in its way. */
export async function authenticatorStatus(call: Call): Promise<Reply> {
  const { world, identity } = call
  const attempt = attemptOf(call)
  if (identity === undefined) return withoutIdentity(call, attempt)
  const caller = loginOf(callerOf(call))
  try {
    await requireWorking(world, attempt, caller)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (attempt.authenticator !== 'authn-jwt') {
      auditAttempt(
        world,
        { ...attempt, login: caller },
        { login: caller, error: error.message, verb: 'validate-status' },
      )
    }
    world.log(`Status check failed with error: ${error.inspected}`)
    const status = statusOf(error)
    world.explain(explainRefusal(status, attempt, { login: caller, refusal: error }))
    return json({ status: 'error', error: error.inspected }, status)
  }
  return json({ status: 'ok' })
}

async function requireWorking(world: World, attempt: Attempt, login: string): Promise<void> {
  const { authenticator } = attempt
  if (!installed.includes(authenticator)) throw notSupported(authenticator)
  if (['authn', 'authn-iam', 'authn-ldap'].includes(authenticator)) {
    throw authentication(
      'StatusNotSupported',
      `CONJ00056E Status check not supported for authenticator '${authenticator}'`,
    )
  }
  requireAccess(world, attempt, { login, privilege: 'read', on: `${webserviceId(attempt)}/status` })
  if (!world.store.resources.has(webserviceId(attempt)))
    throw webserviceNotFound(serviceName(attempt))
  requireEnabled(world, attempt)
  switch (authenticator) {
    case 'authn-azure':
      return azureStatus(world, attempt)
    case 'authn-gcp':
      return gcpStatus(world)
    case 'authn-jwt':
      return jwtStatus(world, attempt)
    case 'authn-oidc':
      return oidcStatus(world, attempt)
    default:
      throw notSupported(authenticator)
  }
}

function statusOf({ code }: Refusal): number {
  switch (code) {
    case 'CONJ00006E':
      return 403
    case 'CONJ00001E':
    case 'CONJ00005E':
      return 404
    case 'CONJ00056E':
      return 501
    default:
      return 500
  }
}

/** The real server stumbles over a missing token here, instead of asking for one. */
function withoutIdentity({ world, request }: Call, attempt: Attempt): Reply {
  const text = 'No Conjur identity for current request'
  world.log(`RuntimeError (${text})`)
  if (attempt.authenticator !== 'authn-jwt') return exception(500, request.header('accept'))
  return json({ status: 'error', error: `#<RuntimeError: ${text}>` }, 500)
}

/** GET /authn-oidc/ACCOUNT/providers: fails, as the real server does, where a provider is set up for ID tokens alone. */
export function oidcProviders(call: Call): Reply {
  const { world } = call
  const account = call.params['account'] ?? ''
  const names = configuredAuthenticators(world.store).filter((name) =>
    name.startsWith('authn-oidc/'),
  )
  for (const name of names) {
    const missing = missingValue(`${account}:variable:conjur/${name}/client-id`)
    world.log(
      `undefined method \`provider_uri' for #<Responses::Failure @message="Value 'client_id' is missing", @exception=${missing.inspected}>`,
    )
    return exception(500, call.request.header('accept'))
  }
  return json([])
}

function enabledIn(contentType: string | undefined, body: Buffer): boolean | undefined {
  const type = contentType?.split(';')[0]?.trim().toLowerCase()
  if (type === undefined || type === '' || type === 'application/x-www-form-urlencoded') {
    return isTrue(parseForm(body).get('enabled'))
  }
  if (type !== 'application/json') return false
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    return (
      typeof parsed === 'object' && parsed !== null && 'enabled' in parsed && isTrue(parsed.enabled)
    )
  } catch {
    return undefined
  }
}

function isTrue(value: unknown): boolean {
  return value === true || value === 'true'
}
