import { expect, test } from 'vitest'

import { pathClashes, pathProblem } from '../../src/outputs/relative-path.ts'

test.each([
  ['', 'is empty'],
  ['a\0b', 'holds a NUL byte'],
  ['/a', 'is absolute; paths are relative to the secrets directory'],
  ['a//b', 'has an empty part'],
  ['a/', 'has an empty part'],
  ['./a', 'has a part that is a single dot'],
  ['a/.', 'has a part that is a single dot'],
  ['../a', 'has a part that begins with ".."'],
  ['a/..b', 'has a part that begins with ".."'],
  ['é'.repeat(128), 'has a part longer than 255 bytes'],
  [`a/${'x'.repeat(256)}`, 'has a part longer than 255 bytes'],
])('P8 the path %j %s', (path, problem) => {
  expect(pathProblem(path)).toBe(problem)
})

test.each(['a', '.a', 'a.', 'a..b', 'a/b.c', `${'é'.repeat(127)}a/${'x'.repeat(255)}`])(
  'the path %j may be',
  (path) => {
    expect(pathProblem(path)).toBeUndefined()
  },
)

test('a path clashes with itself and with a file where it needs a directory', () => {
  expect(pathClashes(['a/b', 'a', 'a', 'ab', 'c/d', 'c/e'])).toEqual([
    ['a', 'a'],
    ['a', 'a/b'],
  ])
})
