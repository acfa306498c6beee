import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { scalar } from '../../src/doctor/yaml.ts'

test('a text written as a scalar is read back as that text, by YAML 1.1 and 1.2', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
      for (const version of ['1.1', '1.2'] as const) {
        expect(parse(`- key: ${scalar(text)}\n`, { version })).toEqual([{ key: text }])
      }
    }),
    { numRuns: 2000 },
  )
})

test.each([
  ['shop', 'shop'],
  ['system:serviceaccount:shop:web', 'system:serviceaccount:shop:web'],
  ['5a5a5a5a-2222-4b4b-9c9c-000000000002', '5a5a5a5a-2222-4b4b-9c9c-000000000002'],
  ['yes', '"yes"'],
  ['123', '"123"'],
  ['12:30:45', '"12:30:45"'],
  ['1e5', '"1e5"'],
  ['', '""'],
])('%j is written %s', (text, expected) => {
  expect(scalar(text)).toBe(expected)
})
