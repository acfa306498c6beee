import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'

import type { Endpoint, Reply, SeenRequest } from './platform.ts'
import { json } from './replies.ts'

export interface SimulatedProviderOptions {
  readonly issuer: string
  /** What discovery says besides `issuer` and `token_endpoint`. */
  readonly discovery?: Readonly<Record<string, unknown>>
  readonly clientId: string
  readonly clientSecret?: string
  /** Whose assertions are taken in place of a secret. */
  readonly federation?: {
    readonly issuer: string
    readonly subject: string
    readonly jwks: JSONWebKeySet
  }
  /** The reply's tokens, by field. */
  readonly tokens: () => Promise<Readonly<Record<string, unknown>>>
  readonly now: () => number
}

/** An OpenID provider: discovery, and a token endpoint for client credentials. */
export function simulatedProvider(options: SimulatedProviderOptions): Endpoint {
  const base = new URL(options.issuer)
  const root = base.pathname.replace(/\/$/, '')
  return async (request, violation) => {
    if (request.path === `${root}/.well-known/openid-configuration`) {
      return json(200, {
        issuer: options.issuer,
        token_endpoint: `${base.origin}${root}/token`,
        ...options.discovery,
      })
    }
    if (request.path !== `${root}/token`) return json(404, {})
    if (request.method !== 'POST') violation('not a POST')
    const form = new URLSearchParams(request.body)
    if (form.get('grant_type') !== 'client_credentials')
      return json(400, { error: 'unsupported_grant_type' })
    if (!(form.get('scope') ?? '').split(' ').includes('openid'))
      return json(400, { error: 'invalid_scope' })
    return (
      (await judge(request, form, options)) ??
      json(200, { token_type: 'Bearer', expires_in: 300, ...(await options.tokens()) })
    )
  }
}

async function judge(
  request: SeenRequest,
  form: URLSearchParams,
  options: SimulatedProviderOptions,
): Promise<Reply | undefined> {
  const basic = /^Basic (.+)$/.exec(request.headers['authorization'] ?? '')?.[1]
  const refusal: Reply = { ...json(401, { error: 'invalid_client' }) }
  if (basic !== undefined) {
    const [id = '', secret = ''] = Buffer.from(basic, 'base64').toString('utf8').split(':')
    const decode = (half: string): string => decodeURIComponent(half.replaceAll('+', ' '))
    return decode(id) === options.clientId && decode(secret) === options.clientSecret
      ? undefined
      : refusal
  }
  if (form.get('client_id') !== options.clientId) return refusal
  const assertion = form.get('client_assertion')
  if (assertion === null)
    return form.get('client_secret') === options.clientSecret ? undefined : refusal
  if (options.federation === undefined) return refusal
  const { issuer, subject, jwks } = options.federation
  try {
    await jwtVerify(assertion, createLocalJWKSet(jwks), {
      issuer,
      subject,
      currentDate: new Date(options.now()),
    })
    return undefined
  } catch {
    return json(400, { error: 'invalid_client' })
  }
}
