import type { HttpReply, Send } from '../core/http.ts'
import { ask, describe, jsonObject, problem, textField, type Place } from './ask.ts'
import type { Outcome } from './persist.ts'
import type { Clock } from './source.ts'

/** What of an OpenID provider's own description is used here. */
export interface Provider {
  readonly tokenEndpoint: URL
  /** How a client may prove itself there; `client_secret_basic` where the provider does not say. */
  readonly authMethods: readonly string[]
}

export interface DiscoveryOptions {
  readonly send: Send
  readonly clock: Pick<Clock, 'now'>
  /** As the provider writes it, byte for byte; with or without a final slash. */
  readonly issuer: string
  readonly place: Place
}

const CACHED_MS = 3_600_000

/** Finds the provider by its issuer; what it says is kept for an hour at most. */
export function discovery(
  options: DiscoveryOptions,
): (signal: AbortSignal) => Promise<Outcome<Provider>> {
  const { clock, issuer, place } = options
  const url = new URL(descriptionOf(issuer))
  let known: { readonly provider: Provider; readonly until: number } | undefined
  return async (signal) => {
    if (known !== undefined && clock.now() < known.until) return { value: known.provider }
    const outcome = await ask(
      options.send,
      {
        method: 'GET',
        url,
        headers: { Accept: 'application/json' },
        deadlineMs: 30_000,
        signal,
        place,
      },
      (reply) => understand(reply, options),
    )
    if ('value' in outcome) known = { provider: outcome.value, until: clock.now() + CACHED_MS }
    return outcome
  }
}

function descriptionOf(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}

function howToSee(issuer: string): string {
  return `curl -sS ${descriptionOf(issuer)}`
}

function understand(
  reply: HttpReply,
  { issuer, place, clock }: DiscoveryOptions,
): Outcome<Provider> {
  const about = { place, reply, now: clock.now() }
  if (reply.status === 429 || reply.status >= 500) {
    const error = problem('IDENTITY_NOT_READY', `${place.name} answers ${describe(reply)}`, {
      ...about,
      hint: place.silenceHint,
      retryable: true,
    })
    return { error, again: place.again }
  }
  const document = reply.status === 200 ? jsonObject(reply) : undefined
  if (document === undefined) {
    const error = problem(
      'IDENTITY_REFUSED',
      `${place.name} does not describe itself (${describe(reply)})`,
      {
        ...about,
        hint: `CONJUR_OIDC_ISSUER must be the issuer as the provider writes it: ${howToSee(issuer)}`,
      },
    )
    return { error }
  }
  const named = textField(document, 'issuer')
  const endpoint = textField(document, 'token_endpoint')
  if (named !== issuer || endpoint === undefined || !URL.canParse(endpoint)) {
    const error = problem(
      'IDENTITY_REFUSED',
      named === issuer
        ? `${place.name} names no token endpoint`
        : `${place.name} calls itself ${named ?? 'nothing'}, not ${issuer}`,
      {
        ...about,
        hint:
          named === undefined || named === issuer
            ? `see its description: ${howToSee(issuer)}`
            : `write in CONJUR_OIDC_ISSUER what the provider calls itself: ${named}`,
      },
    )
    return { error }
  }
  const tokenEndpoint = new URL(endpoint)
  if (tokenEndpoint.protocol !== new URL(issuer).protocol) {
    const error = problem(
      'IDENTITY_REFUSED',
      `${place.name} sends its clients to ${tokenEndpoint.origin}, which is not https`,
      {
        ...about,
        hint: "correct the provider's token_endpoint: a secret is sent there",
      },
    )
    return { error }
  }
  const methods = document['token_endpoint_auth_methods_supported']
  return {
    value: {
      tokenEndpoint,
      authMethods: Array.isArray(methods) ? methods.map(String) : ['client_secret_basic'],
    },
  }
}
