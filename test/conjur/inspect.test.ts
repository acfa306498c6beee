import { expect, test } from 'vitest'
import { inspector, readAuthenticators, type InspectOptions } from '../../src/conjur/inspect.ts'
import type { HttpReply, HttpRequest } from '../../src/core/http.ts'
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
