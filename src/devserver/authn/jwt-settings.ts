import { array, literal, object, safeParse, unknown } from 'valibot'
import { authentication } from '../refusals.ts'
import type { World } from '../world.ts'
import type { Attempt } from './attempt.ts'
import { discover } from './discovery.ts'
import { FetchFailed } from './fetch-text.ts'
import type { SigningKeys } from './signing-keys.ts'
import { declared, required } from './variables.ts'

const algorithms = ['RS256', 'RS384', 'RS512']
const keySet = object({ keys: array(unknown()) })
const publicKeys = object({ type: literal('jwks'), value: keySet })

/** Where the keys of an authn-jwt service come from. */
export interface KeySource {
  /** The keys; fetched again where `refresh` is set. */
  keys(refresh: boolean): Promise<SigningKeys>
}

/** Reads which of jwks-uri, provider-uri and public-keys is set. Throws CONJ00122E for any other number than one. */
export function keySourceOf(world: World, attempt: Attempt): KeySource {
  const jwksUri = declared(world, attempt, 'jwks-uri')
  const fixed = declared(world, attempt, 'public-keys')
  const providerUri = declared(world, attempt, 'provider-uri')
  const ca = declared(world, attempt, 'ca-cert')
  const issuer = declared(world, attempt, 'issuer')
  requireOneSource({ 'jwks-uri': jwksUri, 'public-keys': fixed, 'provider-uri': providerUri })
  if (ca !== undefined && jwksUri === undefined && providerUri === undefined) {
    throw invalidSettings('ca-cert can only be defined together with jwks-uri or provider-uri')
  }
  if (fixed !== undefined && issuer === undefined) {
    throw invalidSettings('issuer is mandatory when public-keys is defined')
  }
  if (fixed !== undefined) return { keys: async () => parsePublicKeys(fixed) }
  const uri = jwksUri ?? providerUri ?? ''
  const fetch = async (): Promise<SigningKeys> => ({
    keys:
      jwksUri === undefined
        ? (await discover(world, uri, ca)).keys
        : await fetchJwks(world, uri, ca),
    algorithms,
  })
  return { keys: (refresh) => world.keys.get(`jwt ${uri} ${ca ?? ''}`, { refresh, fetch }) }
}

/** What `iss` must be: the variable, else provider-uri, else the host name of jwks-uri. */
export function issuerOf(world: World, attempt: Attempt): string | undefined {
  const set = declared(world, attempt, 'issuer') ?? declared(world, attempt, 'provider-uri')
  if (set !== undefined) return set
  const jwksUri = declared(world, attempt, 'jwks-uri')
  if (jwksUri === undefined) return undefined
  const host = URL.canParse(jwksUri) ? new URL(jwksUri).hostname : ''
  if (host === '') {
    throw authentication(
      'AuthnJwt::FailedToParseHostnameFromUri',
      `CONJ00079E Failed to extract hostname from URI '${jwksUri}'`,
    )
  }
  return host
}

/** What `aud` must hold, where policy declares the variable. Throws CONJ00115E where it is blank. */
export function audienceOf(world: World, attempt: Attempt): string | undefined {
  const audience = declared(world, attempt, 'audience')
  if (audience === undefined) return undefined
  if (required(world, attempt, 'audience').trim() === '') {
    throw authentication(
      'AuthnJwt::AudienceValueIsEmpty',
      'CONJ00115E Failed to fetch audience value: audience value is empty',
    )
  }
  return audience
}

function requireOneSource(sources: Readonly<Record<string, string | undefined>>): void {
  const set = Object.keys(sources).filter((name) => sources[name] !== undefined)
  if (set.length === 0) {
    throw invalidSettings(
      'One of the following must be defined: jwks-uri, public-keys, or provider-uri',
    )
  }
  if (set.length === 3) {
    throw invalidSettings(
      'jwks-uri, public-keys, and provider-uri cannot be defined simultaneously',
    )
  }
  if (set.length === 2)
    throw invalidSettings(`${set.join(' and ')} cannot be defined simultaneously`)
}

function invalidSettings(text: string): Error {
  return authentication(
    'AuthnJwt::InvalidSigningKeySettings',
    `CONJ00122E Invalid signing key settings: ${text}`,
    {
      because: text,
    },
  )
}

function parsePublicKeys(text: string): SigningKeys {
  const fail = (why: string): Error =>
    authentication(
      'AuthnJwt::InvalidPublicKeys',
      `CONJ00120E Failed to parse 'public-keys': ${why}`,
      {
        because: `variable public-keys: ${why}`,
      },
    )
  const parsed = parseJson(text)
  if (
    parsed === undefined ||
    typeof parsed !== 'object' ||
    parsed === null ||
    Array.isArray(parsed)
  ) {
    throw fail('Value not in valid JSON format')
  }
  const found = safeParse(publicKeys, parsed)
  if (found.success && found.output.value.keys.length > 0)
    return { keys: found.output.value.keys, algorithms }
  const type = 'type' in parsed ? parsed.type : undefined
  if (type === undefined || type === '')
    throw fail(
      "Type can't be blank and Type '' is not a valid public-keys type. Valid types are: jwks",
    )
  if (type !== 'jwks')
    throw fail(
      `Type '${typeof type === 'string' ? type : JSON.stringify(type)}' is not a valid public-keys type. Valid types are: jwks`,
    )
  throw fail(
    'value' in parsed
      ? 'Value is not a valid JWKS (RFC7517)'
      : "Value can't be blank and Value is not a valid JWKS (RFC7517)",
  )
}

async function fetchJwks(
  world: World,
  uri: string,
  ca: string | undefined,
): Promise<readonly unknown[]> {
  if (ca !== undefined && uri.startsWith('http:')) {
    throw fetchFailed(
      uri,
      `#<Errors::Authentication::AuthnJwt::FetchJwksKeysFailed: CONJ00087E Failed to fetch JWKS from '${uri}'. Reason: 'TLS misconfiguration - ca-cert is provided but jwks-uri URI scheme is http'>`,
    )
  }
  const reply = await world.fetch(uri, ca).catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error)
    throw fetchFailed(uri, `#<${rubyError(error, message)}: ${message}>`)
  })
  if (reply.status < 200 || reply.status > 299) {
    throw authentication(
      'AuthnJwt::FailedToFetchJwksData',
      `CONJ00123E Failed to fetch JWKS data from '${uri}' with error: ${reply.status}`,
      { because: `${uri} answers ${reply.status}` },
    )
  }
  const encoded = Buffer.from(reply.body).toString('base64')
  const parsed = parseJson(reply.body)
  if (parsed === undefined) {
    throw authentication(
      'AuthnJwt::FailedToConvertResponseToJwks',
      `CONJ00093E Failed to convert HTTP response '${encoded}' to JWKS type. Reason: 'not JSON'`,
      { because: `${uri} answers with something that is no JSON` },
    )
  }
  const found = safeParse(keySet, parsed)
  if (!found.success || found.output.keys.length === 0) {
    throw authentication(
      'AuthnJwt::FetchJwksUriKeysNotFound',
      `CONJ00088E JWKS not found in response: '${encoded}'`,
      {
        because: `${uri} answers with JSON that holds no keys`,
      },
    )
  }
  return found.output.keys
}

function fetchFailed(uri: string, reason: string): Error {
  return authentication(
    'AuthnJwt::FetchJwksKeysFailed',
    `CONJ00087E Failed to fetch JWKS from '${uri}'. Reason: '${reason}'`,
    {
      because: `${uri} cannot be fetched: ${reason}`,
    },
  )
}

function rubyError(error: unknown, message: string): string {
  if (message.includes('Connection refused')) return 'Errno::ECONNREFUSED'
  if (message.includes('getaddrinfo')) return 'SocketError'
  if (error instanceof FetchFailed && error.timedOut) return 'Net::OpenTimeout'
  return 'OpenSSL::SSL::SSLError'
}

function parseJson(text: string): unknown {
  try {
    const parsed: unknown = JSON.parse(text)
    return parsed
  } catch {
    return undefined
  }
}
