import { expect, test } from 'vitest'
import { parseQuantity } from '../../src/injector/quantity.ts'

test.each([
  ['10m', 0.01],
  ['0.5', 0.5],
  ['1', 1],
  ['.5', 0.5],
  ['64Mi', 67_108_864],
  ['128M', 128_000_000],
  ['1e3', 1000],
  ['1E3', 1000],
  ['1E', 1e18],
  ['2Gi', 2_147_483_648],
  ['12.5', 12.5],
  ['.25', 0.25],
  ['5e-2', 0.05],
  ['1e10', 10_000_000_000],
])('%s is %d', (text, value) => {
  expect(parseQuantity(text)).toBeCloseTo(value, 9)
})

test.each(['', '0', '-1', 'Mi', '1 Gi', '1mi', '1Kb', '1e', 'NaN', 'Infinity', '0x10'])(
  '%j is no quantity above zero',
  (text) => {
    expect(parseQuantity(text)).toBeUndefined()
  },
)
