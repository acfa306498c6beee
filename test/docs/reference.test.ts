import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pages } from '../../.config/docs.ts'
import { LOG_EVENTS } from '../../.config/reference.ts'
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

test('every code of a log line is told, and every one that is told exists', () => {
  const errors = new Set(Object.keys(errorEntries))
  const used = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /^(agent|injector)\/.*\.ts$/.test(name))
    .flatMap((name) => [
      ...readFileSync(join(root, 'src', name), 'utf8').matchAll(/\bcode: '([A-Z_]{4,})'/g),
    ])
    .map(([, code = '']) => code)

  const told = new Set(Object.keys(LOG_EVENTS))
  expect(used.filter((code) => !told.has(code) && !errors.has(code))).toEqual([])
  expect([...told].filter((code) => !used.includes(code))).toEqual([])
})

test('a log line has the level that is told of it', () => {
  const seen = new Map<string, Set<string>>()
  for (const name of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!/^(agent|injector)\/.*\.ts$/.test(name)) continue
    const source = readFileSync(join(root, 'src', name), 'utf8')
    // Of a level that is decided elsewhere, `log[level](`, this test knows nothing.
    const lines = source.matchAll(
      /\blog\.(\w+)\(\s*\{(?:(?!\b(?:log|const)\b).)*?\bcode: '([A-Z_]{4,})'/gs,
    )
    for (const [, level = '', code = ''] of lines) {
      if (code in LOG_EVENTS) seen.set(code, (seen.get(code) ?? new Set()).add(level))
    }
  }

  expect(seen.size).toBeGreaterThan(20)
  for (const [code, levels] of seen) {
    const [told = ''] = LOG_EVENTS[code] ?? []
    expect(told.split(/[,;]? /), code).toEqual(expect.arrayContaining([...levels]))
    if (/^\w+$/.test(told)) expect([...levels], code).toEqual([told])
  }
})
