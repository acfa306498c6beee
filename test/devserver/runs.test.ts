import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parsePolicy } from '../../src/devserver/policy/parse.ts'
import { foldRuns } from '../../src/devserver/policy/runs.ts'
import { createAccount } from '../../src/devserver/policy/account.ts'
import { loadPolicy } from '../../src/devserver/policy/load.ts'
import { createStore } from '../../src/devserver/store.ts'

const many = (indent: string, count = 300): string =>
  Array.from({ length: count }, (_, index) => `${indent}- !variable db-${index}/password`).join(
    '\n',
  )

function loaded(text: string) {
  const store = createStore()
  createAccount(store, 'acme', { apiKey: 'k', now: 0 })
  loadPolicy(store, {
    text,
    file: 'big.yml',
    policy: 'acme:policy:root',
    mode: 'create',
    now: 0,
    role: 'acme:user:admin',
    clientIp: '',
  })
  return store
}

/** What a text declares, but for the lines it stands on: of a run only the first is kept. */
function described(text: string): unknown[] {
  return [...loaded(text).resources.values()].map((resource) => ({ ...resource, place: undefined }))
}

test('a long run of variables is folded into one line, and every line behind it keeps its number', () => {
  const text = `- !host web\n${many('')}\n- !host last`

  const folded = foldRuns(text, 'mark')

  expect(folded.runs.size).toBe(1)
  expect(folded.text.split('\n')).toEqual(['- !host web', '- !variable mark-0', '- !host last'])
  expect([1, 2, 3].map((line) => folded.lineBefore(line))).toEqual([1, 2, 302])
})

test('what was folded is declared like any other: names, owner, permissions', () => {
  const store = loaded(
    `- !policy\n  id: apps\n  body:\n  - !group readers\n  - &values\n${many('    ')}\n  - !permit { role: !group readers, privileges: [ read, execute ], resources: *values }\n`,
  )

  const resource = store.resources.get('acme:variable:apps/db-299/password')

  expect(store.resources.size).toBe(304)
  expect(resource?.owner).toBe('acme:policy:apps')
  expect(resource?.permissions.map(({ privilege }) => privilege)).toEqual(['execute', 'read'])
  expect(resource?.place).toEqual({ file: 'big.yml', line: 6 })
})

test('a run in a block of text is text', () => {
  const [entry] = parsePolicy(
    `- !host\n  id: web\n  annotations:\n    list: |\n${many('      ')}\n`,
    'big.yml',
  )

  expect(
    JSON.stringify(entry, (_, value: unknown) => (value instanceof Map ? [...value] : value)),
  ).toContain('- !variable db-299/password')
})

test('a name twice in one run, or in two, is refused', () => {
  expect(() => loaded(`${many('')}\n- !variable db-7/password\n`)).toThrow(
    "variable 'db-7/password' is declared more than once",
  )
  expect(() => loaded(`${many('')}\n- !host web\n${many('')}\n`)).toThrow(
    "variable 'db-0/password' is declared more than once",
  )
})

test('folded or not, a policy declares the same', () => {
  const name = fc.stringMatching(/^[a-z]{1,8}(\/[a-z]{1,4})?$/)

  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 260, maxLength: 300 }), (names) => {
      const plain = names.map((each) => `- !variable ${each}`).join('\n')
      const quoted = names.map((each) => `- !variable "${each}"`).join('\n')

      expect(described(plain)).toEqual(described(quoted))
    }),
    { numRuns: 20 },
  )
})
