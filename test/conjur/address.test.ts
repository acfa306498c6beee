import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  authenticateUrl,
  authenticatorsUrl,
  batchUrl,
  fitsBatch,
  LONGEST_REQUEST_LINE,
  resourcesUrl,
  resourceUrl,
  splitBatches,
  statusUrl,
  variableUrl,
  whoamiUrl,
} from '../../src/conjur/address.ts'

const place = { applianceUrl: new URL('https://conjur.example.com/'), account: 'acme' }
const below = { applianceUrl: new URL('https://conjur.example.com/api/'), account: 'acme' }
const jwt = { type: 'authn-jwt', serviceId: 'prod' } as const

test('a login is one path segment, encoded once', () => {
  expect(authenticateUrl(place, jwt, 'host/apps/web app+1').pathname).toBe(
    '/authn-jwt/prod/acme/host%2Fapps%2Fweb%20app%2B1/authenticate',
  )
  expect(authenticateUrl(place, jwt, undefined).pathname).toBe('/authn-jwt/prod/acme/authenticate')
})

test('a base path is kept', () => {
  expect(authenticateUrl(below, jwt, undefined).href).toBe(
    'https://conjur.example.com/api/authn-jwt/prod/acme/authenticate',
  )
  expect(variableUrl(below, 'a/b').href).toBe(
    'https://conjur.example.com/api/secrets/acme/variable/a%2Fb',
  )
})

test('a variable id of any text comes back out of its URL', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (id) => {
      fc.pre(!['.', '..'].includes(id))

      const last = variableUrl(place, id).pathname.split('/').at(-1) ?? ''

      expect(decodeURIComponent(last)).toBe(id)
    }),
  )
})

test('batches hold every id once, in order, and no request line is too long', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1, maxLength: 300 }), { maxLength: 200 }),
      (ids) => {
        const batches = splitBatches(place, ids)

        expect(batches.flat()).toEqual(ids)
        for (const batch of batches) {
          const { pathname, search } = batchUrl(place, batch)
          const line = `GET ${pathname}${search} HTTP/1.1\r\n`
          if (batch.length > 1) expect(line.length).toBeLessThanOrEqual(LONGEST_REQUEST_LINE)
        }
      },
    ),
  )
})

test('batches are as few as the request line allows', () => {
  const ids = Array.from({ length: 1000 }, (_, index) => `apps/web/variable-${index}`)

  const batches = splitBatches(place, ids)

  const bytes = ids.reduce(
    (sum, id) => sum + encodeURIComponent(`acme:variable:${id}`).length + 1,
    0,
  )
  expect(batches).toHaveLength(Math.ceil(bytes / (LONGEST_REQUEST_LINE - 60)))
})

test('every other route stands below the base path too', () => {
  const routes = [
    whoamiUrl(below),
    authenticatorsUrl(below),
    statusUrl(below, jwt),
    statusUrl(below, { type: 'authn', serviceId: undefined }),
    resourceUrl(below, { kind: 'host', id: 'apps/web' }),
    resourcesUrl(below, 'variable'),
    batchUrl(below, ['a/b', 'c']),
  ]

  expect(routes.map(({ href }) => href)).toEqual([
    'https://conjur.example.com/api/whoami',
    'https://conjur.example.com/api/authenticators',
    'https://conjur.example.com/api/authn-jwt/prod/acme/status',
    'https://conjur.example.com/api/authn/acme/status',
    'https://conjur.example.com/api/resources/acme/host/apps%2Fweb',
    'https://conjur.example.com/api/resources/acme/variable?limit=1000',
    'https://conjur.example.com/api/secrets?variable_ids=acme%3Avariable%3Aa%2Fb,acme%3Avariable%3Ac',
  ])
})

test('a base path that ends in slashes is one all the same', () => {
  const slashes = { applianceUrl: new URL('https://conjur.example.com/api//'), account: 'acme' }

  expect(whoamiUrl(slashes).pathname).toBe('/api/whoami')
})

test('a batch cannot carry a comma or a dynamic secret', () => {
  expect(['a/b', 'a,b', 'data/dynamic/x', 'my/data/dynamic/x'].map((id) => fitsBatch(id))).toEqual([
    true,
    false,
    false,
    true,
  ])
})

test('a request line may be just as long as the limit, and no longer', () => {
  const ids = ['one', 'two']
  const { pathname, search } = batchUrl(place, ids)
  // Each id is counted with a comma behind it, the last one too.
  const exact = `GET ${pathname}${search} HTTP/1.1\r\n`.length + 1

  expect(splitBatches(place, ids, exact)).toEqual([['one', 'two']])
  expect(splitBatches(place, ids, exact - 1)).toEqual([['one'], ['two']])
  expect(splitBatches(place, [])).toEqual([])
})
