import type { IdentityError } from '../core/errors.ts'
import type { HttpReply, Send } from '../core/http.ts'
import { ask, describe, jsonObject, problem, textField, tokenOutcome, type Place } from './ask.ts'
import { discovery, type Provider } from './oidc-discovery.ts'
import { persistence, type Outcome, type Patience, type RetryRule } from './persist.ts'
import { readSecretFile } from './secret-file.ts'
import { readTokenFile } from './projected-token.ts'
import { readPlatformToken, type IdentitySource, type PlatformToken } from './source.ts'

/**
 * How the client proves itself. A federated assertion, such as a projected service-account token,
 * needs no stored secret and is preferred; both files are read at each request.
 */
type ClientProof =
  | { readonly kind: 'assertion'; readonly file: string }
  | { readonly kind: 'secret'; readonly file: string }

export interface OidcClientCredentialsOptions extends Patience {
  /** Follows the usual proxy rules. */
  readonly send: Send
  /** https, as the provider writes it, byte for byte. */
  readonly issuer: string
  readonly clientId: string
  readonly proof: ClientProof
  readonly scope: string
  readonly audience?: string | undefined
  /** Which field of the reply is the token. The standard knows no ID token for this grant; some providers give one. */
  readonly tokenField: 'id_token' | 'access_token'
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const FIRST_BOOT_MS = 60_000
const PATIENT: RetryRule = { waitsMs: [1000, 2000, 4000, 8000, 16_000, 30_000] }
// The assertion may have been replaced between our reading and the answer.
const READ_AGAIN: RetryRule = { waitsMs: [0], retries: 1 }

/** A token of an OpenID provider, found by discovery, by the client-credentials grant. Only the discovery is kept, for an hour. */
export function oidcClientCredentials(
  options: OidcClientCredentialsOptions,
): IdentitySource<PlatformToken> {
  const { issuer, proof } = options
  const place: Place = {
    name: `the OpenID provider ${issuer}`,
    silenceHint: `allow this workload to reach ${new URL(issuer).host}, or correct CONJUR_OIDC_ISSUER`,
    again: PATIENT,
  }
  const context = { ...options, place }
  const findProvider = discovery(context)
  const persist = persistence(options, FIRST_BOOT_MS)
  return {
    name: 'oidc-client-credentials',
    watched: [proof.file],
    token: (signal) =>
      persist(signal, async () => {
        const found = await findProvider(signal)
        if (!('value' in found)) return found
        const { headers, body } = await grant(found.value, options)
        return ask(
          options.send,
          {
            method: 'POST',
            url: found.value.tokenEndpoint,
            headers: {
              'Content-Type': 'application/x-www-form-urlencoded',
              Accept: 'application/json',
              ...headers,
            },
            body,
            deadlineMs: 30_000,
            signal,
            place,
          },
          (reply) => understand(reply, context),
        )
      }),
  }
}

interface Grant {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

async function grant(provider: Provider, options: OidcClientCredentialsOptions): Promise<Grant> {
  const { clientId, proof, scope, audience } = options
  const form = new URLSearchParams({ grant_type: 'client_credentials', scope })
  if (audience !== undefined) form.set('audience', audience)
  if (proof.kind === 'assertion') {
    const text = await readTokenFile(proof.file, 'CONJUR_OIDC_ASSERTION_FILE')
    const assertion = readPlatformToken(text, { from: proof.file, now: options.clock.now() })
    form.set('client_id', clientId)
    form.set('client_assertion_type', ASSERTION_TYPE)
    form.set('client_assertion', assertion.secret.text())
    return { headers: {}, body: form.toString() }
  }
  const secret = await readSecretFile(proof.file, 'CONJUR_OIDC_CLIENT_SECRET_FILE')
  if (provider.authMethods.includes('client_secret_basic')) {
    const pair = `${formEncode(clientId)}:${formEncode(secret.text())}`
    const headers = { Authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
    return { headers, body: form.toString() }
  }
  form.set('client_id', clientId)
  form.set('client_secret', secret.text())
  return { headers: {}, body: form.toString() }
}

// RFC 6749, 2.3.1: both halves are form-encoded before they are joined and made base64.
function formEncode(value: string): string {
  return new URLSearchParams([['', value]]).toString().slice(1)
}

interface Context extends OidcClientCredentialsOptions {
  readonly place: Place
}

function understand(reply: HttpReply, context: Context): Outcome<PlatformToken> {
  const { place, tokenField } = context
  const now = context.clock.now()
  const json = jsonObject(reply)
  const about = { place, reply, now }
  if (reply.status === 200) {
    const text = textField(json, tokenField)
    if (text === undefined && json !== undefined) return { error: withoutToken(reply, context) }
    return tokenOutcome(text, reply, { place, now })
  }
  const error = textField(json, 'error')
  const isTransient = error === 'temporarily_unavailable' || error === 'server_error'
  if (reply.status === 429 || reply.status >= 500 || isTransient) {
    const failure = problem('IDENTITY_NOT_READY', `${place.name} answers ${describe(reply)}`, {
      ...about,
      hint: place.silenceHint,
      retryable: true,
    })
    return { error: failure, again: PATIENT }
  }
  const failure = problem(
    'IDENTITY_REFUSED',
    `${place.name} refuses client ${context.clientId}: ${error ?? 'no reason given'} (${reply.status})`,
    { ...about, hint: hintFor(error, context) },
  )
  const mayBeStale = error === 'invalid_grant' || error === 'invalid_client'
  return mayBeStale && context.proof.kind === 'assertion'
    ? { error: failure, again: READ_AGAIN }
    : { error: failure }
}

function withoutToken(reply: HttpReply, { place, tokenField }: Context): IdentityError {
  const other = tokenField === 'id_token' ? 'access_token' : 'id_token'
  return problem(
    'IDENTITY_MALFORMED',
    `${place.name} gives no ${tokenField} for client credentials`,
    {
      place,
      reply,
      hint: `have the provider issue one (scope openid), or set CONJUR_OIDC_TOKEN_FIELD=${other} if that is a JWT Conjur accepts`,
    },
  )
}

function hintFor(error: string | undefined, { proof, clientId, scope }: Context): string {
  switch (error) {
    case 'invalid_client':
    case 'invalid_grant':
      return proof.kind === 'assertion'
        ? `compare issuer, subject and audience of ${proof.file} with what the provider trusts for ${clientId}`
        : `compare CONJUR_OIDC_CLIENT_ID and the content of ${proof.file} with the provider's client`
    case 'invalid_scope':
      return `correct CONJUR_OIDC_SCOPE ${scope}: the provider does not grant it to ${clientId}`
    case 'invalid_target':
      return `correct CONJUR_OIDC_AUDIENCE: the provider does not issue tokens for it`
    case 'unauthorized_client':
    case 'unsupported_grant_type':
      return `allow client ${clientId} the grant client_credentials (a service account) at the provider`
    default:
      return `look at the provider's log for client ${clientId}`
  }
}
