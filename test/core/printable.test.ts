import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printable } from '../../src/core/printable.ts'

test.each([
  ['a\nhint: run this', 'a\\nhint: run this'],
  ['a\r\nb', 'a\\r\\nb'],
  ['\u001B[2J', '\\u{1b}[2J'],
  ['a\u0000b', 'a\\u{0}b'],
  ['a\u202Egnp', 'a\\u{202e}gnp'],
  ['a\u2028b', 'a\\u{2028}b'],
  ['a\tb', 'a b'],
  ['ünïcödé 🔑', 'ünïcödé 🔑'],
])('%j is shown as %j', (text, shown) => expect(printable(text)).toBe(shown))

test('whatever is typed, it stays in its line and moves no cursor', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
      expect(printable(printable(text))).toBe(printable(text))
    }),
  )
})
