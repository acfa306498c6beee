import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

test('every test that the threat model and the reliability page name is there', () => {
  const text = ['docs/security.md', 'docs/reliability.md']
    .map((page) => readFileSync(join(root, page), 'utf8'))
    .join('\n')
  const named = [...text.matchAll(/`(test\/[\w/.-]+\.ts)`/g)].map(([, path = '']) => path)

  expect(named.length).toBeGreaterThan(30)
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([])
})

test('every threat of the model names its test', () => {
  const text = readFileSync(join(root, 'docs/security.md'), 'utf8')
  const [, section = ''] = /## Who attacks, and what stops them\n([^]*?)\n## /.exec(text) ?? []
  const rows = section.split('\n').filter((line) => line.startsWith('| '))
  const [, ...threats] = rows.filter((row) => !row.startsWith('|---'))

  expect(threats.length).toBeGreaterThan(15)
  expect(threats.filter((row) => !/`test\/[\w/.-]+\.ts`[^|]*\|$/.test(row))).toEqual([])
})
