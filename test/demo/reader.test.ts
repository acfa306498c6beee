import { expect, test } from 'vitest'
import { judge, tokenExpiry, type Generation } from '../../src/demo/reader.ts'

const first: Generation = { 'api-key': 'k', 'db.json': { user: 'u', password: 'one' } }
const second: Generation = { 'api-key': 'l', 'db.json': { user: 'u', password: 'two' } }
const third: Generation = { 'db.json': { user: 'u', password: 'two' } }
const generations = [first, second, third]

const set = (files: Record<string, string>): ReadonlyMap<string, string> =>
  new Map(Object.entries(files))

test.each([
  ['the first set', { 'api-key': 'k', 'db.json': '{"user":"u","password":"one"}' }, 'whole'],
  ['a later set', { 'api-key': 'l', 'db.json': '{"password":"two","user":"u"}\n' }, 'whole'],
  ['a set that lost a file', { 'db.json': '{"user":"u","password":"two"}' }, 'whole'],
  ['half a file', { 'api-key': 'k', 'db.json': '{"user":"u","passw' }, 'torn'],
  ['an empty file', { 'api-key': '', 'db.json': '{"user":"u","password":"one"}' }, 'torn'],
  ['an extra member', { 'db.json': '{"user":"u","password":"two","x":"y"}' }, 'torn'],
  ['a file of no set', { 'api-key': 'k', other: 'o' }, 'torn'],
  ['files of two sets', { 'api-key': 'k', 'db.json': '{"user":"u","password":"two"}' }, 'mixed'],
  ['a file that is missing', { 'api-key': 'k' }, 'mixed'],
] as const)('P1: %s is found %s', (_, files, finding) => {
  expect(judge(set(files), generations)).toBe(finding)
})

test("an access token's expiry is read from its payload", () => {
  const payload = Buffer.from('{"sub":"host/apps/web","iat":1,"exp":21}').toString('base64')

  expect(tokenExpiry(JSON.stringify({ protected: 'x', payload, signature: 'y' }))).toBe(21_000)
})

test.each(['', '{', '{"payload":"bm8="}', '{"payload":7}'])('%j is no access token', (text) => {
  expect(tokenExpiry(text)).toBeUndefined()
})
