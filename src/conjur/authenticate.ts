import { ConjurError } from '../core/errors.ts'
import type { HttpReply, HttpRequest, Send } from '../core/http.ts'
import type { Secret } from '../core/secret.ts'
import { parseAccessToken, type AccessToken } from './access-token.ts'
import { authenticateUrl, type Authenticator, type Place } from './address.ts'
import { conjurCode, noReply, unexpectedReply } from './refusal.ts'

export interface AuthenticateOptions {
  readonly send: Send
  /** Where logins go. */
  readonly place: Place
  readonly authenticator: Authenticator
  /** The host, such as `host/apps/web`; undefined where the token itself names it (authn-jwt). */
  readonly login: string | undefined
  readonly timeoutMs: number
  /** Epoch milliseconds. */
  readonly now: () => number
}

const LONGEST_TOKEN = 64 * 1024

/**
 * Exchanges the platform token, or whatever else the authenticator takes, for an access token of
 * Conjur.
 *
 * Rejects with a ConjurError. A 401 is retryable: it is also how Conjur answers while its identity
 * provider is away or has just rotated its keys.
 */
export async function authenticate(
  options: AuthenticateOptions,
  platformToken: Secret,
  signal: AbortSignal,
): Promise<AccessToken> {
  refuseAdmin(options.login)
  const request = authenticateRequest(options, platformToken, signal)
  let reply: HttpReply
  try {
    reply = await options.send(request)
  } catch (error) {
    throw noReply(error, askedOf(options))
  }
  return readAuthenticateReply(reply, options)
}

/** A workload never logs in as the account's administrator, whatever it was told. */
function refuseAdmin(login: string | undefined): void {
  if (login !== 'admin' && login !== 'user/admin') return
  throw new ConjurError('CONJUR_REJECTED', `login as ${login} is refused here; nothing was sent`, {
    hint: 'give the workload a host of its own and name it in CONJUR_AUTHN_LOGIN: host/<path>',
    facts: { login },
  })
}

function authenticateRequest(
  { place, authenticator, login, timeoutMs }: AuthenticateOptions,
  platformToken: Secret,
  signal: AbortSignal,
): HttpRequest {
  const { contentType, body, loginInUrl, ...rest } = presentation(authenticator.type, platformToken)
  return {
    method: 'POST',
    url: authenticateUrl(place, authenticator, loginInUrl ? login : undefined),
    headers: { 'Content-Type': contentType, 'Accept-Encoding': 'base64' },
    body,
    deadlineMs: timeoutMs,
    maxBodyBytes: LONGEST_TOKEN,
    signal,
    ...rest,
  }
}

interface Presentation {
  readonly contentType: string
  readonly body: string | Uint8Array
  /** Otherwise what is sent names the login, and a login in the URL is no route. */
  readonly loginInUrl: boolean
  readonly clientCertificate?: Secret
}

/** How each authenticator takes what it is shown. */
function presentation(type: Authenticator['type'], shown: Secret): Presentation {
  const form = (field: string): string => `${field}=${encodeURIComponent(shown.text())}`
  const contentType = 'application/x-www-form-urlencoded'
  switch (type) {
    case 'authn-jwt':
    case 'authn-azure':
      return { contentType, body: form('jwt'), loginInUrl: true }
    case 'authn-gcp':
      return { contentType, body: form('jwt'), loginInUrl: false }
    case 'authn-oidc':
      return { contentType, body: form('id_token'), loginInUrl: false }
    case 'authn-iam':
      return { contentType: 'application/json', body: shown.bytes(), loginInUrl: true }
    case 'authn':
      return { contentType: 'text/plain', body: shown.bytes(), loginInUrl: true }
    case 'authn-k8s':
      return { contentType: 'text/plain', body: '', loginInUrl: true, clientCertificate: shown }
    default:
      return type satisfies never
  }
}

/** Reads what Conjur said to a login. Throws a ConjurError unless it is an access token. */
export function readAuthenticateReply(reply: HttpReply, options: AuthenticateOptions): AccessToken {
  const asked = { ...askedOf(options), ...(reply.from === undefined ? {} : { host: reply.from }) }
  if (reply.status === 200) {
    const token = parseAccessToken(decode(reply))
    if (token !== undefined) return token
    throw unexpectedReply(reply, asked)
  }
  const code = conjurCode(reply)
  const facts = {
    host: asked.host,
    status: reply.status,
    authenticator: nameOf(options.authenticator),
    ...(options.login === undefined ? {} : { login: options.login }),
    ...(code === undefined ? {} : { conjurCode: code }),
  }
  switch (reply.status) {
    case 400:
      throw new ConjurError('CONJUR_REJECTED', `Conjur finds no token in ${asked.what} (400)`, {
        hint: 'conjur-agent doctor shows the platform token; an empty or cut token file gives this answer',
        facts,
      })
    case 401:
      throw unauthenticated(asked.what, { code, facts, type: options.authenticator.type })
    case 403:
      throw new ConjurError(
        'CONJUR_FORBIDDEN',
        `Conjur knows ${options.login ?? 'this host'} but does not let it use ${nameOf(options.authenticator)} (403)`,
        {
          hint: `grant it authenticate on webservice conjur/${nameOf(options.authenticator)}: add it to the group that has it`,
          retryable: false,
          facts,
        },
      )
    case 404:
      throw new ConjurError(
        'CONJUR_NOT_FOUND',
        `${asked.host} has no route for ${asked.what} (404)`,
        {
          hint: 'compare CONJUR_APPLIANCE_URL (a base path such as /api?) and CONJUR_ACCOUNT with the server',
          facts,
        },
      )
    default:
      throw unexpectedReply(reply, asked)
  }
}

function unauthenticated(
  what: string,
  {
    code,
    facts,
    type,
  }: { code: string | undefined; facts: ConjurError['facts']; type: Authenticator['type'] },
): ConjurError {
  if (code === 'CONJ00016E') {
    return new ConjurError(
      'CONJUR_UNAUTHENTICATED',
      `Conjur refuses ${what}: the platform token is expired by its clock (401, CONJ00016E)`,
      {
        hint: 'compare date -u here and on the Conjur server, then see whether the platform renews the token',
        retryable: true,
        facts,
      },
    )
  }
  return new ConjurError('CONJUR_UNAUTHENTICATED', `Conjur refuses ${what} (401)`, {
    hint: `${whatToCompare(type)}; Conjur's own log has the CONJ… code`,
    retryable: true,
    facts,
  })
}

/** What a refused login usually comes from, by what the authenticator looks at. */
function whatToCompare(type: Authenticator['type']): string {
  switch (type) {
    case 'authn-jwt':
    case 'authn-azure':
    case 'authn-gcp':
      return "compare the token's claims with the annotations of that host"
    case 'authn-oidc':
      return 'see that the claim named by id-token-user-property is a login that Conjur knows'
    case 'authn-iam':
      return "see that the login ends in /<aws-account>/<role-name> and this machine's clock is right (date -u)"
    case 'authn-k8s':
      return 'see that the host is the one the certificate was asked for'
    case 'authn':
      return "compare the key with the host's own: conjur host rotate-api-key gives a new one"
    default:
      return type satisfies never
  }
}

/** The body as text. Base64 comes only where the server says so, whatever was asked for. */
function decode(reply: HttpReply): string {
  const body = reply.body.toString('utf8')
  return reply.headers['content-encoding']?.toLowerCase() === 'base64'
    ? Buffer.from(body, 'base64').toString('utf8')
    : body
}

function askedOf(options: AuthenticateOptions): { what: string; host: string; now: number } {
  const who = options.login ?? 'the host that the token names'
  return {
    what: `login ${who} with ${nameOf(options.authenticator)}`,
    host: options.place.applianceUrl.host,
    now: options.now(),
  }
}

function nameOf({ type, serviceId }: Authenticator): string {
  return serviceId === undefined ? type : `${type}/${serviceId}`
}
