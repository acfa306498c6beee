import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pages } from '../../.config/docs.ts'
import { errorEntries } from '../../src/cli/error-entries.ts'
import { VERSION } from '../../src/core/version.ts'

const root = join(import.meta.dirname, '../..')

test.each(Object.keys(pages()))(
  'docs/%s is what the code says (npm run docs writes it)',
  (name) => {
    expect(readFileSync(join(root, 'docs', name), 'utf8')).toBe(pages()[name])
  },
)

test('every error code of the program has an entry, and every entry a code', () => {
  const families = readFileSync(join(root, 'src/core/errors.ts'), 'utf8')
  const codes = [...families.matchAll(/'([A-Z]+_[A-Z_]+)'/g)].map(([, code = '']) => code)

  expect(Object.keys(errorEntries).toSorted()).toEqual(codes.toSorted())
})

test('the version is that of the package', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string
  }

  expect(VERSION).toBe(version)
})

test('no hint is general advice', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(root, 'src', file), 'utf8'))
    .join('\n')

  expect(sources).not.toMatch(/hint: '[^']*(check your|make sure|please)/i)
})
