import { expect, test } from 'vitest'
import {
  askAuthenticators,
  inspector,
  readAuthenticators,
  type InspectOptions,
} from '../../src/conjur/inspect.ts'
import type { HttpReply, HttpRequest } from '../../src/core/http.ts'
import { SendFailure } from '../../src/core/http.ts'
import { Secret } from '../../src/core/secret.ts'

const { signal } = new AbortController()

function reply(status: number, body: unknown): HttpReply {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(text) }
}

function inspect(answer: HttpReply): {
  records: ReturnType<typeof inspector>
  sent: HttpRequest[]
} {
  const sent: HttpRequest[] = []
  const options: InspectOptions = {
    send: async (request) => {
      sent.push(request)
      return answer
    },
    place: { applianceUrl: new URL('https://conjur.example.com/api'), account: 'acme' },
    timeoutMs: 1000,
    now: () => 0,
  }
  return { records: inspector(options, { secret: new Secret('{"token":1}') }, signal), sent }
}

test('the list of authenticators is read; anything else is no list', () => {
  const list = { installed: ['authn'], configured: ['authn-jwt/prod'], enabled: [] }

  expect(readAuthenticators(reply(200, list))).toEqual(list)
  expect(readAuthenticators(reply(200, '<html>'))).toBeUndefined()
  expect(readAuthenticators(reply(200, { ...list, enabled: 'all' }))).toBeUndefined()
  expect(readAuthenticators(reply(401, list))).toBeUndefined()
})

test('a host is read with its annotations, networks and permissions', async () => {
  const { records, sent } = inspect(
    reply(200, {
      id: 'acme:host:apps/web',
      annotations: [{ name: 'authn-jwt/prod/sub', value: 'x', policy: 'p' }],
      permissions: [{ privilege: 'read', role: 'acme:user:admin', policy: 'p' }],
      restricted_to: ['10.0.0.0/8'],
    }),
  )

  const host = await records.resource('host', 'apps/web')

  expect(host).toEqual({
    id: 'acme:host:apps/web',
    annotations: { 'authn-jwt/prod/sub': 'x' },
    permissions: [{ privilege: 'read', role: 'acme:user:admin' }],
    restrictedTo: ['10.0.0.0/8'],
    versions: 0,
  })
  expect(sent[0]?.url.href).toBe('https://conjur.example.com/api/resources/acme/host/apps%2Fweb')
  expect(sent[0]?.headers).toEqual({ Authorization: 'Token token="eyJ0b2tlbiI6MX0="' })
})

test('what is not there and what may not be seen are the same', async () => {
  expect(await inspect(reply(404, '')).records.resource('host', 'x')).toBeUndefined()
  expect(await inspect(reply(403, '')).records.resource('host', 'x')).toBeUndefined()
})

test('an answer that is no record is an error that names the host', async () => {
  await expect(inspect(reply(500, '')).records.resource('host', 'x')).rejects.toMatchObject({
    code: 'CONJUR_UNAVAILABLE',
    facts: { host: 'conjur.example.com', status: 500 },
  })
})

test('the status route says ok, or its code and words', async () => {
  const authenticator = { type: 'authn-jwt', serviceId: 'prod' } as const
  const error =
    '#<Errors::Conjur::RequiredSecretMissing: CONJ00037E Missing value for resource: acme:variable:x>'

  const { records, sent } = inspect(reply(200, { status: 'ok' }))
  expect(await records.status(authenticator)).toBe('ok')
  expect(sent[0]?.url.pathname).toBe('/api/authn-jwt/prod/acme/status')
  expect(
    await inspect(reply(500, { status: 'error', error })).records.status(authenticator),
  ).toEqual({
    code: 'CONJ00037E',
    words: 'CONJ00037E Missing value for resource: acme:variable:x',
  })
})

test('a token that is refused is an error', async () => {
  await expect(inspect(reply(401, 'Unauthorized')).records.whoami()).rejects.toMatchObject({
    code: 'CONJUR_REJECTED',
  })
})

test('no token is needed to ask for authenticators', async () => {
  const sent: HttpRequest[] = []
  const options: InspectOptions = {
    send: async (request) => {
      sent.push(request)
      return reply(200, {})
    },
    place: { applianceUrl: new URL('https://conjur.example.com/api'), account: 'acme' },
    timeoutMs: 1000,
    now: () => 0,
  }

  await askAuthenticators(options, signal)

  expect(sent).toEqual([
    {
      method: 'GET',
      url: new URL('https://conjur.example.com/api/authenticators'),
      deadlineMs: 1000,
      maxBodyBytes: 16_777_216,
      signal,
    },
  ])
})

test('each of the three lists must be one', () => {
  const list = { installed: ['authn'], configured: ['authn'], enabled: ['authn'] }

  for (const name of ['installed', 'configured', 'enabled']) {
    expect(readAuthenticators(reply(200, { ...list, [name]: [7] }))).toBeUndefined()
    expect(readAuthenticators(reply(200, { ...list, [name]: undefined }))).toBeUndefined()
  }
})

test('a list of resources leaves out what is none', async () => {
  const host = { id: 'acme:host:a', secrets: [{ version: 1 }, 7, { version: 2 }] }
  const { records, sent } = inspect(reply(200, [host, { id: 7 }, 'x', null]))

  expect(await records.resources('host')).toEqual([
    { id: 'acme:host:a', annotations: {}, permissions: [], restrictedTo: [], versions: 2 },
  ])
  expect(sent[0]?.url.pathname).toBe('/api/resources/acme/host')
})

test.each([
  ['a refusal', reply(403, [])],
  ['no list', reply(200, {})],
  ['no JSON', reply(200, '<html>')],
])('with %s the server does not say which resources there are', async (_what, answer) => {
  expect(await inspect(answer).records.resources('host')).toBeUndefined()
})

test.each([
  ['a page', reply(200, '<html>')],
  ['a record without id', reply(200, { annotations: [] })],
  ['a list', reply(200, [])],
])('%s in the place of a record is an error that names what was asked', async (_what, answer) => {
  await expect(inspect(answer).records.resource('host', 'apps/web')).rejects.toMatchObject({
    code: 'CONJUR_BAD_REPLY',
    message: "conjur.example.com answers host apps/web with something that is not Conjur's",
  })
})

test.each([
  [reply(404, '<html>'), { code: undefined, words: 'HTTP 404' }],
  [reply(500, { error: 7 }), { code: undefined, words: 'HTTP 500' }],
  [reply(500, { error: 'x #<A::B: y> z' }), { code: undefined, words: 'x #<A::B: y> z' }],
  [reply(500, { error: `#<A: ${'w'.repeat(400)}>` }), { code: undefined, words: 'w'.repeat(300) }],
  [reply(500, { error: 'a > b' }), { code: undefined, words: 'a > b' }],
])('the status route may say less: %#', async (answer, expected) => {
  const authenticator = { type: 'authn-jwt', serviceId: 'prod' } as const

  expect(await inspect(answer).records.status(authenticator)).toEqual(expected)
})

test.each([
  [{ username: 'host/a', account: 'acme', client_ip: '10.0.0.7' }, 'acme', '10.0.0.7'],
  [{ username: 'host/a', account: 7, client_ip: 7 }, undefined, undefined],
])('whoami says whose token it is, and whence we come: %#', async (said, account, clientIp) => {
  const { records, sent } = inspect(reply(200, said))

  expect(await records.whoami()).toEqual({ login: 'host/a', account, clientIp })
  expect(sent[0]?.url.pathname).toBe('/api/whoami')
})

test('whoami that names nobody says nothing', async () => {
  expect(await inspect(reply(200, '<html>')).records.whoami()).toBeUndefined()
  expect(await inspect(reply(200, { username: 7 })).records.whoami()).toBeUndefined()
})

test('a token that is refused is told as such', async () => {
  await expect(inspect(reply(401, '')).records.whoami()).rejects.toMatchObject({
    message: 'conjur.example.com rejects the access token given (401)',
  })
})

test('a resource that comes with another status than 200 is none', async () => {
  const { records } = inspect(reply(500, { id: 'acme:host:apps/web' }))

  await expect(records.resource('host', 'apps/web')).rejects.toMatchObject({
    code: 'CONJUR_UNAVAILABLE',
  })
})

test('a server that does not answer is told', async () => {
  const send = (): Promise<never> =>
    Promise.reject(new SendFailure('refused', 'conjur.example.com'))
  const place = { applianceUrl: new URL('https://conjur.example.com/api'), account: 'acme' }

  const asked = askAuthenticators({ send, place, timeoutMs: 1000, now: () => 0 }, signal)

  await expect(asked).rejects.toMatchObject({
    code: 'CONJUR_UNREACHABLE',
    message: 'conjur.example.com refuses the connection',
    facts: { host: 'conjur.example.com', kind: 'refused' },
  })
})
