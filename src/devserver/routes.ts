import { identify } from './authorization.ts'
import { exception, failure, Halt, head, type Reply } from './reply.ts'
import { decodeSegment, type Request } from './request.ts'
import { authenticate, login } from './routes/authenticate.ts'
import {
  authenticatorStatus,
  listAuthenticators,
  oidcProviders,
  updateAuthenticator,
} from './routes/authenticators.ts'
import { notDone, type Call } from './routes/call.ts'
import { faults, keys, requests } from './routes/control.ts'
import {
  apiKeyRotatedAt,
  publicKeys,
  root,
  rotateApiKey,
  updatePassword,
  whoami,
} from './routes/identity.ts'
import { loadPolicyText } from './routes/policies.ts'
import { listResources, showResource } from './routes/resources.ts'
import { addMember, removeMember, showRole } from './routes/roles.ts'
import { readSecret, readSecrets, writeSecret } from './routes/secrets.ts'
import type { World } from './world.ts'

type Handler = (call: Call) => Reply | Promise<Reply>

/** One line of the table: what is asked for, and who answers. */
interface Route {
  readonly methods: readonly string[]
  readonly path: RegExp
  readonly handle: Handler
  /** What the counter of requests calls it. */
  readonly name: string
}

/**
 * Answers one request, from the access token to the reply; the last touches are the listener's.
 * Never throws: a defect of ours becomes an empty 500 and a line in the log.
 */
export async function answer(world: World, request: Request): Promise<Reply> {
  const accept = request.header('accept')
  try {
    const identity = await identify(world, request)
    const path = normalized(request.path)
    for (const route of routes) {
      if (!route.methods.includes(request.method === 'HEAD' ? 'GET' : request.method)) continue
      const match = route.path.exec(path)
      if (match === null) continue
      const params = decoded(match.groups ?? {})
      if (params['account']?.includes('/') === true) continue
      count(world, route.name)
      return await route.handle({ world, request, params, identity })
    }
    world.log(
      `ActionController::RoutingError (No route matches [${request.method}] "${request.path}"):`,
    )
    return exception(404, accept)
  } catch (error) {
    if (error instanceof Halt) return error.reply
    world.log(`INTERNAL ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    return exception(500, accept)
  }
}

const service = '(?<service>[^./?]+)'
const account = '(?<account>[^/?]+)'
const id = '(?<id>[^/?]+)'
const anyAuthenticator = '(?<authenticator>authn-?[^/]*)'
const roleKind = '(?<kind>user|host|layer|group|policy|host_factory)'
const resourceKind =
  '(?<kind>variable|public_key|user|host|layer|group|policy|webservice|host_factory|configuration)'
const identifier = '(?<identifier>.+)'

/** First match wins: the order is part of the table. */
const routes: readonly Route[] = [
  route('GET', '/', root),
  route('GET', '/whoami', whoami),
  route('GET', '/authenticators', listAuthenticators),
  route(
    'GET',
    `/(?<authenticator>authn-jwt)/${service}/${account}/status`,
    authenticatorStatus,
    'status',
  ),
  route(
    'GET',
    `/${anyAuthenticator}(?:/${service})?/${account}/status`,
    authenticatorStatus,
    'status',
  ),
  route('PATCH', `/${anyAuthenticator}(?:/${service})?/${account}`, updateAuthenticator, 'enable'),
  route('GET', `/${anyAuthenticator}(?:/${service})?/${account}/login`, login, 'login'),
  route(
    'POST',
    `/(?<authenticator>authn|authn-azure|authn-iam|authn-k8s|authn-ldap)(?:/${service})?/${account}/${id}/authenticate`,
    authenticate,
    'authenticate',
  ),
  route(
    'GET',
    `/(?<authenticator>authn-oidc)(?:/${service})?/${account}/authenticate`,
    absent('OIDC code flow'),
  ),
  route(
    'POST',
    `/(?<authenticator>authn-gcp)/${account}/authenticate`,
    authenticate,
    'authenticate',
  ),
  route(
    'POST',
    `/(?<authenticator>authn-oidc)(?:/${service})?/${account}/authenticate`,
    authenticate,
    'authenticate',
  ),
  route(
    'POST',
    `/(?<authenticator>authn-jwt)/${service}/${account}(?:/${id})?/authenticate`,
    authenticate,
    'authenticate',
  ),
  route('PUT', `/authn/${account}/password`, updatePassword, 'password'),
  route('PUT', `/${anyAuthenticator}/${account}/api_key`, rotateApiKey, 'api_key'),
  route('GET', `/${anyAuthenticator}/${account}/api_key`, apiKeyRotatedAt, 'api_key'),
  route('POST', `/authn-k8s/${service}/inject_client_cert`, absent('authn-k8s')),
  route('GET|POST|PATCH|DELETE', `/authenticators/.+`, absent('v2 API')),
  route('GET|POST|PATCH|DELETE', `/branches/.+`, absent('v2 API')),
  route('POST|DELETE', `/groups/.+`, absent('v2 API')),
  route('GET', `/roles/${account}/${roleKind}/${identifier}`, showRole, 'roles'),
  route('POST', `/roles/${account}/${roleKind}/${identifier}`, addMember, 'roles'),
  route('DELETE', `/roles/${account}/${roleKind}/${identifier}`, removeMember, 'roles'),
  route('GET', `/resources/${account}/${resourceKind}/${identifier}`, showResource, 'resources'),
  route('GET', `/resources/${account}/${resourceKind}`, listResources, 'resources'),
  route('GET', `/resources/${account}`, listResources, 'resources'),
  route('GET', `/resources`, listResources, 'resources'),
  route('GET', `/(?<authenticator>authn-oidc)/${account}/providers`, oidcProviders, 'providers'),
  route('GET|POST|PATCH|DELETE', `/issuers/.+`, absent('issuers')),
  route('GET', `/secrets/${account}/(?<kind>variable)/${identifier}`, readSecret, 'secret'),
  route(
    'POST',
    `/secrets/${account}/(?<kind>variable|public_key)/${identifier}`,
    writeSecret,
    'set-secret',
  ),
  route('GET', `/secrets`, readSecrets, 'batch'),
  route(
    'GET',
    `/policies/${account}/(?<kind>policy)/${identifier}`,
    absent('reading policies back'),
  ),
  route(
    'POST|PUT|PATCH',
    `/policies/${account}/(?<kind>policy)/${identifier}`,
    loadPolicyText,
    'policy',
  ),
  route('GET', `/public_keys/${account}/(?<kind>public_key|user)/${identifier}`, publicKeys),
  route('POST', `/ca/${account}/${service}/sign`, absent('CA signing')),
  route('GET|POST|DELETE', `/accounts(?:/${id})?`, absent('accounts')),
  route('POST|DELETE', `/host_factor(?:ies/hosts|y_tokens(?:/${id})?)`, absent('host factories')),
  route('GET|POST|DELETE', `/devserver/faults`, faults, 'devserver'),
  route('GET|DELETE', `/devserver/requests`, requests, 'devserver'),
  route('GET', `/devserver/keys`, keys, 'devserver'),
]

function route(methods: string, pattern: string, ...[handle, name]: [Handler, string?]): Route {
  return {
    methods: methods.split('|'),
    path: new RegExp(`^${pattern}$`),
    handle,
    name: name ?? (pattern.replace(/^\//, '') || 'root'),
  }
}

function absent(what: string): Handler {
  return () => {
    throw notDone(what)
  }
}

/** Slashes in a row are one, and one at the end is none. */
function normalized(path: string): string {
  const squeezed = path.replace(/\/{2,}/g, '/')
  return squeezed.length > 1 ? squeezed.replace(/\/$/, '') : squeezed
}

function decoded(
  groups: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(groups).map(([name, value]) => [
      name,
      value === undefined ? undefined : decodeSegment(value),
    ]),
  )
}

function count(world: World, name: string): void {
  if (name === 'devserver') return
  world.counters.requests.set(name, (world.counters.requests.get(name) ?? 0) + 1)
}

/** The reply to a query that is no percent-encoded UTF-8. */
export function badQuery(): Reply {
  return head(400)
}

/** The reply to a body that is longer than this server takes. */
export function tooLong(bytes: number): Reply {
  return failure(413, {
    code: 'content_too_large',
    message: `The devserver takes bodies of up to ${bytes} bytes`,
  })
}
