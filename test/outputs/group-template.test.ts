import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { checkTemplate, renderGroup } from '../../src/outputs/group-template.ts'
import type { SecretGroup } from '../../src/outputs/secret-group.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

function group(template: NonNullable<SecretGroup['template']>): SecretGroup {
  const entry = { variableId: 'app/x', contentType: 'text', required: true } as const
  return {
    name: 'db',
    entries: [
      { ...entry, alias: 'user' },
      { ...entry, alias: 'key' },
    ],
    path: 'db.conf',
    format: 'template',
    mode: 0o644,
    template,
  }
}

const entries = [
  { alias: 'user', value: new Secret('web') },
  { alias: 'key', value: new Secret(Buffer.from([0xff, 0])) },
]

function refused(
  template: NonNullable<SecretGroup['template']>,
): Readonly<Record<string, unknown>> {
  try {
    return { rendered: renderGroup(group(template), entries, 'safe') }
  } catch (error) {
    if (!(error instanceof OutputError)) throw error
    const { code, message, hint, retryable, facts } = error
    return { code, message, hint, retryable, facts }
  }
}

test('P5 a template that fails says where', () => {
  expect(refused({ text: 'a\n {{ secret "nobody" }}' })).toEqual({
    code: 'OUTPUT_UNFIT',
    message:
      'the template of group db fails at line 2, column 5: secret: the group has no secret "nobody"',
    hint: 'docs/file-formats.md lists what templates know',
    retryable: false,
    facts: { group: 'db', line: 2, column: 5 },
  })
})

test('P5 a value that is no text is named', () => {
  expect(refused({ text: '{{ secret "key" }}' })).toEqual({
    code: 'OUTPUT_UNFIT',
    message: 'the template of group db gives no UTF-8 text: the value of key is none',
    hint: 'write {{ secret "key" | b64enc }}, or give the variable a group of format plain',
    retryable: false,
    facts: { group: 'db', alias: 'key' },
  })
})

test('P5 where the template itself makes it so, that is told', () => {
  const text = { text: '{{ "\\xff" }}' }
  const values = [{ alias: 'user', value: new Secret('web') }]

  expect(() => renderGroup(group(text), values, 'safe')).toThrow(
    expect.objectContaining({
      message: 'the template of group db gives no UTF-8 text: what it renders is none',
      hint: 'write {{ secret "alias" | b64enc }}, or give the variable a group of format plain',
    }),
  )
})

test('the incumbent writes such bytes, and so do we where its bytes are asked for', () => {
  const rendered = renderGroup(group({ text: '{{ secret "key" }}' }), entries, 'secrets-provider')

  expect([...rendered]).toEqual([0xff, 0])
})

test('P5 a template file that is gone, or no text, is told with the way to mount it', () => {
  const file = join(temporaryVolume(), 'db.tpl')
  const told = {
    code: 'OUTPUT_UNFIT',
    hint: 'mount a ConfigMap with the key db.tpl there, or set conjur.org/secret-file-template.db',
    retryable: false,
    facts: { group: 'db' },
  }

  expect(refused({ file })).toEqual({
    ...told,
    message: `the template of group db, ${file} cannot be read`,
  })
  writeFileSync(file, Buffer.from([0xff]))
  expect(refused({ file })).toEqual({
    ...told,
    message: `the template of group db, ${file} is not UTF-8 text`,
  })
  writeFileSync(file, 'é {{ secret "user" }}')
  expect(String(refused({ file })['rendered'])).toBe('é web')
})

test('P6 P2 what is wrong with a template is known without a value', () => {
  expect(checkTemplate(group({ text: '{{ secret "user" | len }}' }))).toEqual([])
  expect(checkTemplate(group({ text: '{{ slice (secret "user") 0 8 }}' }))).toEqual([])
  expect(checkTemplate(group({ text: '{{ secret "nobody" }}' }))).toEqual([
    'the template fails at line 1, column 4: secret: the group has no secret "nobody"',
  ])
})

test('a group without a template is a defect of ours', () => {
  const { template: _, ...without } = group({ text: '' })

  expect(() => checkTemplate(without)).toThrow('group db has no template')
})
