import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fitsGlob } from '../../src/outputs/path-glob.ts'

test.each<[string, string, boolean]>([
  ['apps/*', 'apps/web', true],
  ['apps/*', 'apps/web/password', false],
  ['apps/*', 'apps', false],
  ['apps/**', 'apps/web/password', true],
  ['apps/**', 'application/web', false],
  ['*/password', 'apps/password', true],
  ['*/password', 'apps/web/password', false],
  ['**/password', 'apps/web/password', true],
  ['**/password', 'password', true],
  ['**/password', 'apps/nopassword', false],
  ['apps/**/password', 'apps/password', true],
  ['apps/**/password', 'apps/a/b/password', true],
  ['my**/x', 'myx', false],
  ['apps/db-*', 'apps/db-user', true],
  ['apps/db.user', 'apps/db-user', false],
  ['apps/(a|b)+', 'apps/(a|b)+', true],
  ['*', '', true],
  ['**', 'apps/web', true],
  ['password', 'apps/password', false],
])('%s and %s: %s', (glob, path, fits) => {
  expect(fitsGlob(glob, path)).toBe(fits)
})

test('a path without stars fits itself, and nothing else fits it', () => {
  const path = fc.stringMatching(/^[a-c/.]{0,8}$/)
  fc.assert(
    fc.property(path, path, (one, other) => {
      expect(fitsGlob(one, other)).toBe(one === other)
    }),
  )
})

test('a glob full of stars is answered at once', () => {
  const glob = '*a**a'.repeat(50)

  expect(fitsGlob(`${glob}b`, 'a'.repeat(1000))).toBe(false)
})
