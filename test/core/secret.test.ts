import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'

test('P2 a Secret prints as [redacted] however it is printed', () => {
  const secret = new Secret('correct horse')

  const shown = [
    String(secret),
    'x'.concat(secret as unknown as string),
    JSON.stringify({ secret }),
    inspect({ secret }),
  ].join()

  expect(shown).not.toContain('correct horse')
  expect(shown.match(/\[redacted\]/g)).toHaveLength(4)
})

test('a Secret gives its bytes away exactly, and only when asked', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)

  const secret = new Secret(bytes)

  expect(Buffer.compare(secret.bytes(), bytes)).toBe(0)
  expect(secret.equals(new Secret(Uint8Array.from(bytes)))).toBe(true)
})
