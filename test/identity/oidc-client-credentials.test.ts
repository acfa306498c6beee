import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import type { IdentityError } from '../../src/core/errors.ts'
import {
  oidcClientCredentials,
  type OidcClientCredentialsOptions,
} from '../../src/identity/oidc-client-credentials.ts'
import { hastyClock, type FakeClock } from '../support/fake-clock.ts'
import { simulatedProvider } from '../support/platform-simulator/oidc.ts'
import { startPlatform, type Platform, type Reply } from '../support/platform-simulator/platform.ts'
import { json } from '../support/platform-simulator/replies.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { serviceAccountClaims, tokenMaker } from '../support/token-maker.ts'

const HOST = 'idp.example.com'
const ISSUER = `https://${HOST}/realms/acme`
const SECRET = 'a:b%c d+ü'

const provider = await tokenMaker({ issuer: ISSUER, lifeSeconds: 86_400 })
const cluster = await tokenMaker({ issuer: 'https://oidc.example.com/c7/' })
const signal = new AbortController().signal

let clock: FakeClock
let platform: Platform
let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let secretFile: string
let assertionFile: string
let discovery: Record<string, unknown>
let tokens: Record<string, unknown>

beforeEach(async () => {
  clock = hastyClock()
  directory = await temporaryDirectory()
  secretFile = join(directory.path, 'client-secret')
  assertionFile = join(directory.path, 'assertion')
  await writeFile(secretFile, SECRET)
  await writeFile(assertionFile, await cluster.make(serviceAccountClaims()))
  discovery = {}
  tokens = {
    id_token: await provider.make({ sub: 'id' }),
    access_token: await provider.make({ sub: 'access' }),
  }
  const endpoint = simulatedProvider({
    issuer: ISSUER,
    get discovery() {
      return discovery
    },
    clientId: 'web:1',
    clientSecret: SECRET,
    federation: {
      issuer: cluster.issuer,
      subject: 'system:serviceaccount:shop:web',
      jwks: { keys: [...cluster.jwks.keys] },
    },
    tokens: () => Promise.resolve(tokens),
    now: () => clock.now(),
  })
  platform = await startPlatform({ [HOST]: endpoint }, clock)
})

afterEach(async () => {
  expect(platform.violations).toEqual([])
  await platform.close()
  await directory[Symbol.asyncDispose]()
})

test('a secret with colon, per cent and space reaches the provider by Basic authentication', async () => {
  const token = await source().token(signal)

  expect(token.claims['sub']).toBe('id')
  expect(platform.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'GET /realms/acme/.well-known/openid-configuration',
    'POST /realms/acme/token',
  ])
  expect(platform.requests[1]?.body).toBe('grant_type=client_credentials&scope=openid')
})

test('a provider without Basic gets the secret in the form', async () => {
  discovery = { token_endpoint_auth_methods_supported: ['client_secret_post'] }

  await source().token(signal)

  expect(new URLSearchParams(platform.requests[1]?.body).get('client_secret')).toBe(SECRET)
  expect(platform.requests[1]?.headers['authorization']).toBeUndefined()
})

test('a federated assertion needs no secret', async () => {
  const token = await source({ proof: { kind: 'assertion', file: assertionFile } }).token(signal)

  expect(token.claims['sub']).toBe('id')
  expect(platform.requests[1]?.headers['authorization']).toBeUndefined()
})

test('discovery is kept for an hour, tokens are not kept', async () => {
  const oidc = source()
  await oidc.token(signal)
  await oidc.token(signal)
  await clock.advance(3_600_001)

  await oidc.token(signal)

  expect(platform.requests.filter(({ method }) => method === 'GET')).toHaveLength(2)
  expect(platform.requests.filter(({ method }) => method === 'POST')).toHaveLength(3)
})

test('the access token is taken where that is the setting', async () => {
  const token = await source({ tokenField: 'access_token' }).token(signal)

  expect(token.claims['sub']).toBe('access')
})

test('an audience is asked for', async () => {
  await source({ audience: 'conjur' }).token(signal)

  expect(new URLSearchParams(platform.requests[1]?.body).get('audience')).toBe('conjur')
})

test('a provider that gives no ID token is IDENTITY_MALFORMED, and the hint names the setting', async () => {
  tokens = { access_token: 'opaque' }

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_MALFORMED',
    message: `the OpenID provider ${ISSUER} gives no id_token for client credentials`,
    hint: expect.stringContaining('CONJUR_OIDC_TOKEN_FIELD=access_token'),
  })
})

test('an issuer that differs by a slash is refused and the right one is named', async () => {
  const error = await failure({ issuer: `${ISSUER}/` })

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: `the OpenID provider ${ISSUER}/ calls itself ${ISSUER}, not ${ISSUER}/`,
    hint: `write in CONJUR_OIDC_ISSUER what the provider calls itself: ${ISSUER}`,
  })
})

test('a token endpoint without TLS is refused before the secret is sent', async () => {
  discovery = { token_endpoint: 'http://idp.example.com/token' }

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: expect.stringContaining('which is not https'),
  })
  expect(platform.requests).toHaveLength(1)
})

test.each<[string, Reply]>([
  ['nothing at that address', { status: 404 }],
  ['a page', { status: 200, body: '<html>' }],
])('%s instead of discovery is refused', async (_what, fault) => {
  platform.script(HOST, [fault])

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    hint: expect.stringContaining('CONJUR_OIDC_ISSUER'),
  })
})

test.each([
  [400, 'invalid_scope', 'CONJUR_OIDC_SCOPE'],
  [400, 'invalid_target', 'CONJUR_OIDC_AUDIENCE'],
  [400, 'unauthorized_client', 'client_credentials'],
  [401, 'invalid_client', 'CONJUR_OIDC_CLIENT_ID'],
])('%i %s is refused at once', async (status, error, hint) => {
  platform.script(HOST, [
    json(200, { issuer: ISSUER, token_endpoint: `${ISSUER}/token` }),
    json(status, { error }),
  ])

  const failed = await failure()

  expect(failed).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: `the OpenID provider ${ISSUER} refuses client web:1: ${error} (${status})`,
    hint: expect.stringContaining(hint),
  })
  expect(platform.requests).toHaveLength(2)
})

test('a refused assertion is read once more', async () => {
  await writeFile(assertionFile, await cluster.make(serviceAccountClaims({ sub: 'someone else' })))

  const error = await failure({ proof: { kind: 'assertion', file: assertionFile } })

  expect(platform.requests.filter(({ method }) => method === 'POST')).toHaveLength(2)
  expect(error).toMatchObject({ code: 'IDENTITY_REFUSED' })
})

test('a busy provider is waited for', async () => {
  platform.script(HOST, [
    { status: 503 },
    { status: 200, body: JSON.stringify({ issuer: ISSUER, token_endpoint: `${ISSUER}/token` }) },
    json(400, { error: 'temporarily_unavailable' }),
  ])

  await source().token(signal)

  expect(clock.waits).toEqual([1000, 2000])
})

function source(
  overrides: Partial<OidcClientCredentialsOptions> = {},
): ReturnType<typeof oidcClientCredentials> {
  return oidcClientCredentials({
    send: platform.send,
    clock,
    random: () => 0,
    issuer: ISSUER,
    clientId: 'web:1',
    proof: { kind: 'secret', file: secretFile },
    scope: 'openid',
    tokenField: 'id_token',
    ...overrides,
  })
}

function failure(overrides: Partial<OidcClientCredentialsOptions> = {}): Promise<IdentityError> {
  return source(overrides)
    .token(signal)
    .then(
      () => Promise.reject(new Error('there was a token')),
      (error: IdentityError) => error,
    )
}
