import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseAnnotations } from '../../src/config/annotations.ts'

test('a downward API file is read as the kubelet writes it', () => {
  const text =
    'a/b="plain"\nconjur.org/conjur-secrets.db="- x\\n- \\"y\\": z\\t\\u00e9\\\\"\nbytes="\\xc3\\xa9"\n'

  const { pairs, malformed } = parseAnnotations(text)

  expect(Object.fromEntries(pairs)).toEqual({
    'a/b': 'plain',
    'conjur.org/conjur-secrets.db': '- x\n- "y": z\té\\',
    bytes: 'é',
  })
  expect(malformed).toEqual([])
})

test('P6 a broken line is named and costs only itself', () => {
  const { pairs, malformed } = parseAnnotations('a="1"\nno equals sign\nb="open\nc="2"\nd="\\q"\n')

  expect([...pairs.keys()]).toEqual(['a', 'c'])
  expect(malformed).toEqual([2, 3, 5])
})

test('a value of 70,000 bytes does not swallow what follows it', () => {
  const long = 'x'.repeat(70_000)

  const { pairs } = parseAnnotations(`a="${long}"\nb="2"\n`)

  expect(pairs.get('a')).toBe(long)
  expect(pairs.get('b')).toBe('2')
})

test('whatever a pod author writes, its JSON quotation (a subset of Go’s) reads back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      // JSON escapes what Go escapes, but for \/ which neither writes, and \u of surrogate halves.
      fc.pre(value.isWellFormed())
      const line = `k=${JSON.stringify(value)}\n`
      expect(parseAnnotations(line).pairs.get('k')).toBe(value)
    }),
  )
})
