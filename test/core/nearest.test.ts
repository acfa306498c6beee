import { expect, test } from 'vitest'
import { nearest } from '../../src/core/nearest.ts'

test.each([
  ['conjur.org/conjur-secret.db', 'conjur.org/conjur-secrets.db'],
  ['siedcar', 'sidecar'],
  ['sidecr', 'sidecar'],
])('P6 %s is understood as %s', (typed, meant) => {
  const found = nearest(typed, ['init', meant, 'conjur.org/inject'])

  expect(found).toBe(meant)
})

test.each(['si', 'completely-else', 'ini'])(
  'P6 %s is too far from anything to be guessed',
  (typed) => {
    const found = nearest(typed, ['sidecar', 'doctor'])

    expect(found).toBeUndefined()
  },
)
