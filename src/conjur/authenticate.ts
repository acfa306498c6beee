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
 * Exchanges the platform token for an access token of Conjur.
 *
 * Rejects with a ConjurError. A 401 is retryable: it is also how Conjur answers while its identity
 * provider is away or has just rotated its keys.
 */
export async function authenticate(
  options: AuthenticateOptions,
  platformToken: Secret,
  signal: AbortSignal,
): Promise<AccessToken> {
  const request = authenticateRequest(options, platformToken, signal)
  let reply: HttpReply
  try {
    reply = await options.send(request)
  } catch (error) {
    throw noReply(error, askedOf(options))
  }
  return readAuthenticateReply(reply, options)
}

function authenticateRequest(
  { place, authenticator, login, timeoutMs }: AuthenticateOptions,
  platformToken: Secret,
  signal: AbortSignal,
): HttpRequest {
  return {
    method: 'POST',
    url: authenticateUrl(place, authenticator, login),
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      'Accept-Encoding': 'base64',
    },
    body: `jwt=${encodeURIComponent(platformToken.text())}`,
    deadlineMs: timeoutMs,
    maxBodyBytes: LONGEST_TOKEN,
    signal,
  }
}

/** Reads what Conjur said to a login. Throws a ConjurError unless it is an access token. */
export function readAuthenticateReply(reply: HttpReply, options: AuthenticateOptions): AccessToken {
  const asked = askedOf(options)
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
      throw unauthenticated(asked.what, { code, facts })
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
  { code, facts }: { code: string | undefined; facts: ConjurError['facts'] },
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
    hint: `compare the token's claims with the annotations of that host; Conjur's own log has the CONJ… code`,
    retryable: true,
    facts,
  })
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
