import { expect, test } from 'vitest'
import { parseAccessToken, readAccessToken } from '../../src/conjur/access-token.ts'
import { accessTokenJson } from '../support/scripted-send.ts'

const claims = { iat: 1000, exp: 1060, sub: 'host/apps/web' }

function without(field: string): string {
  const { [field]: _left, ...rest } = { ...JSON.parse(accessTokenJson(claims)) }
  return JSON.stringify(rest)
}

test('a token says whose it is, and lives from its issue to its end', () => {
  expect(parseAccessToken(accessTokenJson(claims))).toMatchObject({
    login: 'host/apps/web',
    lifetimeMs: 60_000,
  })
})

test('when it was issued is told in milliseconds', () => {
  expect(readAccessToken(accessTokenJson(claims))?.issuedAt).toBe(1_000_000)
})

test.each([
  ['no JSON', 'a.b.c'],
  ['a list', '[]'],
  ['without its header', without('protected')],
  ['without its payload', without('payload')],
  ['without its signature', without('signature')],
  [
    'with a number for its header',
    JSON.stringify({ ...JSON.parse(accessTokenJson(claims)), protected: 1 }),
  ],
  [
    'with a number for its signature',
    JSON.stringify({ ...JSON.parse(accessTokenJson(claims)), signature: 1 }),
  ],
  ['whose payload is no JSON', JSON.stringify({ protected: 'e30', payload: 'eA', signature: 'x' })],
  ['without iat', accessTokenJson({ exp: 1060, sub: 'host/apps/web' })],
  ['whose iat is a text', accessTokenJson({ ...claims, iat: '1000' })],
  ['without sub', accessTokenJson({ iat: 1000, exp: 1060 })],
  ['whose sub is a number', accessTokenJson({ ...claims, sub: 7 })],
  ['that ends as it begins', accessTokenJson({ ...claims, exp: 1000 })],
  ['that ends before it begins', accessTokenJson({ ...claims, exp: 1 })],
])('what comes %s is no access token', (_what, text) => {
  expect(parseAccessToken(text)).toBeUndefined()
})

test('a token that says it lives for weeks is renewed within a day', () => {
  expect(parseAccessToken(accessTokenJson({ ...claims, exp: 5_000_000 }))?.lifetimeMs).toBe(
    86_400_000,
  )
})
