import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { identitySources, sourcesOf } from '../../src/config/identity-table.ts'
import { settings } from '../../src/config/settings.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/identity-sources.md'), 'utf8')
const variables: ReadonlySet<string> = new Set(Object.values(settings).map(({ env }) => env))

test.each(identitySources)('%s has a heading of its own', (name) => {
  expect(page).toMatch(new RegExp(`^##.*\\(\`${name}\`\\)$`, 'm'))
})

test.each(Object.entries(sourcesOf))(
  '%s stands in the table with what it takes by default',
  (type, sources) => {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${type}\``)) ?? ''

    expect(row).not.toBe('')
    const named = [...row.matchAll(/`([a-z-]+)`/g)]
      .map(([, name = '']) => name)
      .filter((name) => name !== type)
    const denied = row.includes('every source below but')
      ? ['aws', 'api-key-file', 'k8s-certificate']
      : []
    for (const name of named) expect([...sources, ...denied]).toContain(name)
  },
)

test('every setting of ours that the page names exists', () => {
  const named = [...page.matchAll(/\b(CONJUR_[A-Z_]+|MY_POD_[A-Z_]+|JWT_TOKEN_PATH)\b/g)].map(
    ([name]) => name,
  )

  expect(named.filter((name) => !variables.has(name))).toEqual([])
  expect(new Set(named).size).toBeGreaterThan(20)
})
