import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from '../../src/config/duration.ts'

test.each([
  ['90s', 90_000],
  ['5m', 300_000],
  ['6m0s', 360_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1500],
  ['250ms', 250],
])('%s is %i ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each(['', '5', 's', '5 m', '-5m', '5d', '1e3s', '٣s'])('"%s" is no duration', (text) => {
  expect(parseDuration(text)).toBeUndefined()
})

test('a duration that is written out reads back as the same', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 ** 9 }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms)
    }),
  )
})
