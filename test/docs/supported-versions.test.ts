import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pageText } from '../support/pages.ts'

const text = pageText('docs/supported-versions.md')
const [, matrix = ''] =
  /\| what \| version \| proved by \| where \|\n\|[-|]+\n([\s\S]*?)\n\n/.exec(text) ?? []
const rows = matrix.split('\n').map((row) =>
  row
    .split('|')
    .map((cell) => cell.trim())
    .slice(1, -1),
)
const kinds = /^(real cluster|real program|recorded exchange|simulator|not tried|26 alone)/

test.each(rows.map((row) => [row[0] ?? '', row] as const))(
  '%s: what proves it is of a kind that is explained, and is there',
  (_, [, , proved = '', where = '']) => {
    expect(proved).toMatch(kinds)
    const [, path] = /\]\(\.\.\/(.+)\)/.exec(where) ?? []
    // Who tried nothing has nothing to show.
    if (where === '') expect(proved).toMatch(/not tried|26 alone|^real program$/)
    else expect(existsSync(join(import.meta.dirname, '../..', path ?? 'nowhere'))).toBe(true)
  },
)

test('what only a simulator has seen is never said to work there', () => {
  expect(rows.length).toBeGreaterThan(15)
  expect(text).not.toMatch(/works (on|with|in)|certified|compatible with/i)
  const azure = rows.filter(([what = '']) => what.startsWith('Azure'))
  expect(azure.map(([, , proved]) => proved)).toEqual(azure.map(() => 'simulator'))
})
