import { expect, test } from 'vitest'
import { authenticate, type AuthenticateOptions } from '../../src/conjur/authenticate.ts'
import { ConjurError } from '../../src/core/errors.ts'
import { SendFailure, type HttpReply } from '../../src/core/http.ts'
import { Secret } from '../../src/core/secret.ts'
import { accessTokenJson, reply, scriptedSend } from '../support/scripted-send.ts'

const json = accessTokenJson({ iat: 1000, sub: 'host/apps/web', exp: 1480 })
const signal = new AbortController().signal

function options(
  answer: () => HttpReply,
): AuthenticateOptions & { requests: ReturnType<typeof scriptedSend>['requests'] } {
  const { send, requests } = scriptedSend(answer)
  return {
    send,
    requests,
    place: { applianceUrl: new URL('https://conjur.example.com'), account: 'acme' },
    authenticator: { type: 'authn-jwt', serviceId: 'prod' },
    login: 'host/apps/web',
    timeoutMs: 1000,
    now: () => 0,
  }
}

async function failure(answer: () => HttpReply): Promise<ConjurError> {
  const error = await authenticate(options(answer), new Secret('a.b.canary'), signal).catch(
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ConjurError)
  if (!(error instanceof ConjurError)) throw error
  expect(`${error.message}${error.hint}${JSON.stringify(error.facts)}`).not.toContain('canary')
  return error
}

test('a login posts the platform token as a form and asks for base64', async () => {
  const given = options(() => reply(200, json))

  await authenticate(given, new Secret('a.b.c'), signal)

  expect(given.requests[0]).toMatchObject({
    method: 'POST',
    body: 'jwt=a.b.c',
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      'Accept-Encoding': 'base64',
    },
  })
  expect(given.requests[0]?.url.pathname).toBe(
    '/authn-jwt/prod/acme/host%2Fapps%2Fweb/authenticate',
  )
})

test.each([
  ['raw', reply(200, json, { 'content-type': 'application/json; charset=utf-8' })],
  ['base64', reply(200, Buffer.from(json).toString('base64'), { 'content-encoding': 'base64' })],
])('an access token comes %s, its bytes and life intact', async (_form, answer) => {
  const token = await authenticate(
    options(() => answer),
    new Secret('a.b.c'),
    signal,
  )

  expect(token.secret.text()).toBe(json)
  expect(token.lifetimeMs).toBe(480_000)
  expect(token.login).toBe('host/apps/web')
})

test('a token without exp, as old servers issue it, lives eight minutes', async () => {
  const old = accessTokenJson({ iat: 1000, sub: 'host/apps/web' })

  const token = await authenticate(
    options(() => reply(200, old)),
    new Secret('a.b.c'),
    signal,
  )

  expect(token.lifetimeMs).toBe(480_000)
})

test.each([
  [400, '', 'CONJUR_REJECTED', false],
  [401, '', 'CONJUR_UNAUTHENTICATED', true],
  [403, '', 'CONJUR_FORBIDDEN', false],
  [404, '', 'CONJUR_NOT_FOUND', false],
  [302, '', 'CONJUR_BAD_REPLY', false],
  [500, '', 'CONJUR_UNAVAILABLE', true],
  [503, '', 'CONJUR_UNAVAILABLE', true],
  [429, '', 'CONJUR_UNAVAILABLE', true],
  [200, '', 'CONJUR_BAD_REPLY', true],
  [200, '<html>sign in</html>', 'CONJUR_BAD_REPLY', true],
  [200, '{"token":"x"}', 'CONJUR_BAD_REPLY', true],
  [200, accessTokenJson({ iat: 5, exp: 5, sub: 'host/a' }), 'CONJUR_BAD_REPLY', true],
] as const)('P5 a login that is answered %i %j is %s', async (status, body, code, retryable) => {
  const error = await failure(() => reply(status, body))

  expect([error.code, error.retryable]).toEqual([code, retryable])
  expect(error.facts['status']).toBe(status)
  expect(error.hint).not.toBe('')
})

test('the one 401 with text says that the platform token is expired', async () => {
  const error = await failure(() =>
    reply(401, '{"error":{"code":"unauthorized","message":"CONJ00016E Token expired"}}'),
  )

  expect(error.message).toBe(
    'Conjur refuses login host/apps/web with authn-jwt/prod: the platform token is expired by its clock (401, CONJ00016E)',
  )
  expect(error.facts['conjurCode']).toBe('CONJ00016E')
})

test('P9 Retry-After is passed on', async () => {
  const error = await failure(() => reply(503, '', { 'retry-after': '7' }))

  expect(error.retryAfterMs).toBe(7000)
})

test.each([
  ['refused', 'CONJUR_UNREACHABLE', true],
  ['timeout', 'CONJUR_UNREACHABLE', true],
  ['tls-untrusted', 'CONJUR_UNTRUSTED', false],
  ['tls-wrong-name', 'CONJUR_UNTRUSTED', false],
] as const)('no reply because of %s is %s', async (kind, code, retryable) => {
  const error = await failure(() => {
    throw new SendFailure(kind, 'conjur.example.com')
  })

  expect([error.code, error.retryable]).toEqual([code, retryable])
})

test.each([
  [
    { type: 'authn-azure', serviceId: 'prod' },
    '/authn-azure/prod/acme/host%2Fapps%2Fweb/authenticate',
    'jwt=a.b.c',
    'application/x-www-form-urlencoded',
  ],
  [
    { type: 'authn-oidc', serviceId: 'prod' },
    '/authn-oidc/prod/acme/authenticate',
    'id_token=a.b.c',
    'application/x-www-form-urlencoded',
  ],
  [
    { type: 'authn-gcp', serviceId: undefined },
    '/authn-gcp/acme/authenticate',
    'jwt=a.b.c',
    'application/x-www-form-urlencoded',
  ],
  [
    { type: 'authn-iam', serviceId: 'prod' },
    '/authn-iam/prod/acme/host%2Fapps%2Fweb/authenticate',
    'a.b.c',
    'application/json',
  ],
  [
    { type: 'authn', serviceId: undefined },
    '/authn/acme/host%2Fapps%2Fweb/authenticate',
    'a.b.c',
    'text/plain',
  ],
] as const)(
  '%o is shown its credential in its own way',
  async (authenticator, path, body, contentType) => {
    const given = { ...options(() => reply(200, json)), authenticator }

    await authenticate(given, new Secret('a.b.c'), signal)

    const [request] = given.requests
    expect(request?.url.pathname).toBe(path)
    expect(Buffer.from(request?.body ?? '').toString('utf8')).toBe(body)
    expect(request?.headers).toMatchObject({ 'Content-Type': contentType })
  },
)

test.each(['admin', 'user/admin'])(
  'a login as %s is refused before anything is sent',
  async (login) => {
    const given = { ...options(() => reply(200, json)), login }

    const error = await authenticate(given, new Secret('k'), signal).catch(
      (error: unknown) => error,
    )

    expect(error).toMatchObject({
      code: 'CONJUR_REJECTED',
      message: `login as ${login} is refused here; nothing was sent`,
    })
    expect(given.requests).toEqual([])
  },
)

test.each([
  ['authn-oidc', /id-token-user-property/],
  ['authn-iam', /<aws-account>/],
  ['authn', /rotate-api-key/],
] as const)('a refused login with %s says what to compare', async (type, hint) => {
  const given = {
    ...options(() => reply(401, '')),
    authenticator: { type, serviceId: type === 'authn' ? undefined : 'prod' },
  }

  const error = await authenticate(given, new Secret('k'), signal).catch((error: unknown) => error)

  expect(error).toMatchObject({ code: 'CONJUR_UNAUTHENTICATED', hint: expect.stringMatching(hint) })
})
