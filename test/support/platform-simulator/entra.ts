import { createLocalJWKSet, errors, jwtVerify, type JSONWebKeySet } from 'jose'

import type { Endpoint, Reply, SeenRequest } from './platform.ts'

export interface SimulatedEntraOptions {
  readonly tenantId: string
  readonly clientId: string
  /** What the federated credential says. */
  readonly federation: {
    readonly issuer: string
    readonly subject: string
    readonly audience: string
    readonly jwks: JSONWebKeySet
  }
  readonly token: (scope: string) => Promise<string>
  readonly now: () => number
}

const FIELDS = ['grant_type', 'client_id', 'client_assertion_type', 'client_assertion', 'scope']

/** Entra's token endpoint for one tenant with one federated client: verifies the assertion for real. */
export function simulatedEntra(options: SimulatedEntraOptions): Endpoint {
  return async (request, violation) => {
    inspect(request, violation)
    const form = new URLSearchParams(request.body)
    for (const name of FIELDS)
      if (form.getAll(name).length !== 1) violation(`form field ${name} is not there once`)
    for (const name of form.keys())
      if (!FIELDS.includes(name)) violation(`unknown form field ${name}`)
    if (request.path !== `/${options.tenantId}/oauth2/v2.0/token`) {
      return aadError(
        400,
        'invalid_request',
        90002,
        'Tenant not found. Check to make sure you have the correct tenant ID.',
      )
    }
    if (form.get('client_id') !== options.clientId) {
      return aadError(
        400,
        'unauthorized_client',
        700016,
        'Application was not found in the directory',
      )
    }
    const scope = form.get('scope') ?? ''
    if (!/^https:\/\/[^/]+\/{1,2}\.default$/.test(scope)) {
      return aadError(400, 'invalid_scope', 1002012, 'The provided value for scope is not valid')
    }
    const refusal = await judge(form.get('client_assertion') ?? '', options)
    if (refusal !== undefined) return refusal
    return {
      status: 200,
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
      body: JSON.stringify({
        token_type: 'Bearer',
        expires_in: 86_399,
        ext_expires_in: 86_399,
        refresh_in: 43_199,
        access_token: await options.token(scope),
      }),
    }
  }
}

/** An error reply as Entra writes it. */
export function aadError(status: number, error: string, code: number, text: string): Reply {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8' },
    body: JSON.stringify({
      error,
      error_description: `AADSTS${code}: ${text} Trace ID: 3f3f3f3f-0000-4000-8000-000000000000 Correlation ID: 4e4e4e4e-0000-4000-8000-000000000000 Timestamp: 2026-01-20 09:05:00Z`,
      error_codes: [code],
      timestamp: '2026-01-20 09:05:00Z',
      trace_id: '3f3f3f3f-0000-4000-8000-000000000000',
      correlation_id: '4e4e4e4e-0000-4000-8000-000000000000',
      error_uri: `https://login.microsoftonline.com/error?code=${code}`,
    }),
  }
}

function inspect(request: SeenRequest, violation: (what: string) => void): void {
  if (request.method !== 'POST') violation('not a POST')
  if (request.headers['content-type'] !== 'application/x-www-form-urlencoded')
    violation('not a form')
  if (request.path.includes('//')) violation('a double slash in the path')
  if (request.query.size > 0) violation('a query')
}

async function judge(
  assertion: string,
  options: SimulatedEntraOptions,
): Promise<Reply | undefined> {
  const { issuer, subject, audience, jwks } = options.federation
  try {
    await jwtVerify(assertion, createLocalJWKSet(jwks), {
      issuer,
      subject,
      audience,
      currentDate: new Date(options.now()),
    })
    return undefined
  } catch (error) {
    if (error instanceof errors.JWTExpired) {
      return aadError(
        401,
        'invalid_client',
        700024,
        'Client assertion is not within its valid time range.',
      )
    }
    if (error instanceof errors.JWTClaimValidationFailed) {
      const code = { iss: 700211, aud: 700212, sub: 700213 }[error.claim] ?? 70021
      return aadError(
        401,
        'invalid_client',
        code,
        `No matching federated identity record found for presented assertion ${error.claim}`,
      )
    }
    return aadError(401, 'invalid_client', 50013, 'Assertion failed signature validation.')
  }
}
