import { readFileSync } from 'node:fs'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { renderList } from '../../src/outputs/formats.ts'
import { readSecretMap } from '../../src/outputs/secret-map.ts'

const page = readFileSync('docs/file-formats.md', 'utf8')
const format = v.picklist(['yaml', 'json', 'bash', 'dotenv', 'properties'])
const examples = [...page.matchAll(/^\| (\w+) \| `(".*")` \| (?:`(.*)`|(refused)) \|$/gm)].map(
  ([, name, value = '', bytes, refused]) => ({
    format: v.parse(format, name),
    value: v.parse(v.string(), JSON.parse(value)),
    written: bytes ?? refused ?? '',
  }),
)

test.each(examples)('the page shows $format of $value as it is written', (example) => {
  const written = attempt(example)

  expect(written).toBe(example.written)
})

test('the page has an example of every list format', () => {
  expect(new Set(examples.map((example) => example.format)).size).toBe(5)
})

test('the filters that the page shows are read as they are meant', () => {
  const [, map = ''] = /```yaml\n("\*":.*)\n```/.exec(page) ?? []

  expect(readSecretMap(parse(map))).toEqual({
    entries: [],
    problems: [],
    all: {
      contentType: 'text',
      include: ['apps/web/**'],
      exclude: ['apps/web/tmp/*'],
      strip: 'apps/web/',
      max: 200,
    },
  })
})

function attempt(example: (typeof examples)[number]): string {
  try {
    const entries = [{ alias: 'v', value: new Secret(example.value) }]
    const options = { format: example.format, group: 'page', compatibility: 'safe' } as const
    return renderList(entries, options).toString('utf8')
  } catch (error) {
    if (error instanceof OutputError) return 'refused'
    throw error
  }
}
