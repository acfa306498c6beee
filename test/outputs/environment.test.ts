import { expect, test } from 'vitest'

import { Secret } from '../../src/core/secret.ts'
import { environmentOutput, type EnvironmentOptions } from '../../src/outputs/environment.ts'
import type { Published, Snapshot } from '../../src/outputs/output.ts'
import type { Entry } from '../../src/outputs/secret-group.ts'

const user = entry('db-user')
const key = entry('key', { contentType: 'base64' })

function entry(alias: string, more: Partial<Entry> = {}): Entry {
  return { alias, variableId: `app/${alias}`, contentType: 'text', required: true, ...more }
}

function snapshot(
  values: Readonly<Record<string, string>>,
  unknown: readonly string[] = [],
): Snapshot {
  return {
    accessToken: new Secret('{}'),
    values: new Map(Object.entries(values).map(([id, text]) => [id, new Secret(text)])),
    unknown: new Set(unknown),
  }
}

interface Environment {
  /** Passes, and tells the state and the number of values. */
  readonly pass: (...told: Parameters<typeof snapshot>) => Promise<Published | undefined>
  readonly current: () => Readonly<Record<string, string>>
}

function environment(
  lists: readonly (readonly Entry[])[],
  more: Partial<EnvironmentOptions> = {},
): Environment {
  const groups = lists.map((entries, index) => ({
    name: String(index),
    entries,
    path: '',
    format: 'dotenv' as const,
    mode: 0o644,
  }))
  const output = environmentOutput({ groups, prefix: '', nameCase: 'upper', ...more })
  return {
    async pass(...told) {
      const [published, ...others] = await output.publish(
        snapshot(...told),
        new AbortController().signal,
      )
      expect([output.name, others]).toEqual(['environment', []])
      return published
    },
    current: () =>
      Object.fromEntries([...output.current()].map(([name, value]) => [name, value.text()])),
  }
}

const shown = (state: Published['state'], values: number): Published => ({
  name: 'environment',
  kind: 'environment',
  values,
  state,
})

test('the values of every group become variables, base64 as its bytes', async () => {
  const { pass, current } = environment([[user], [key]])

  const published = await pass({ 'app/db-user': 'web', 'app/key': 'aHVudGVyMg==' })

  expect(published).toEqual(shown('written', 2))
  expect(current()).toEqual({ DB_USER: 'web', KEY: 'hunter2' })
})

test.each([
  ['db.user-2', 'upper', '', 'DB_USER_2'],
  ['db.user-2', 'keep', '', 'db_user_2'],
  ['2fa', 'upper', '', '_2FA'],
  ['2fa', 'upper', 'APP_', 'APP_2FA'],
  ['a2', 'keep', '7', '_7a2'],
  ['ünd', 'keep', 'app_', 'app__nd'],
] as const)('the alias %s (%s, prefix %j) is the variable %s', async (...row) => {
  const [alias, nameCase, prefix, name] = row
  const { pass, current } = environment([[entry(alias)]], { nameCase, prefix })

  await pass({ [`app/${alias}`]: 'x' })

  expect(current()).toEqual({ [name]: 'x' })
})

test('P5 nothing is given while a required value is missing, and nothing forgotten', async () => {
  const { pass, current } = environment([[user, key]])

  expect(await pass({ 'app/db-user': 'web' }, ['app/key'])).toEqual(shown('missing', 0))
  expect(current()).toEqual({})
  expect(await pass({ 'app/db-user': 'web', 'app/key': 'YQ==' })).toEqual(shown('written', 2))
})

test('an optional value may be missing, or have a default, which is text as it is', async () => {
  const { pass, current } = environment([
    [
      user,
      entry('mode', { required: false }),
      entry('level', { required: false, default: 'YQ==', contentType: 'base64' }),
    ],
  ])

  expect(await pass({ 'app/db-user': 'web' })).toEqual(shown('written', 2))
  expect(current()).toEqual({ DB_USER: 'web', LEVEL: 'YQ==' })
})

test('of nothing that is required nothing is missing', async () => {
  expect(await environment([[entry('mode', { required: false })]]).pass({})).toEqual(
    shown('same', 0),
  )
})

test('P4 a value that becomes unknown stays, one that is gone for certain leaves', async () => {
  const { pass, current } = environment([[user, key]])
  await pass({ 'app/db-user': 'web', 'app/key': 'YQ==' })

  expect(await pass({ 'app/db-user': 'web' }, ['app/key'])).toEqual(shown('same', 2))
  expect(current()).toEqual({ DB_USER: 'web', KEY: 'a' })
  expect(await pass({ 'app/db-user': 'web' })).toEqual(shown('written', 1))
  expect(current()).toEqual({ DB_USER: 'web' })
})

test('a child is told of a change, and only of a change', async () => {
  const { pass } = environment([[user, entry('mode', { required: false })]])
  const state = async (values: Readonly<Record<string, string>>): Promise<unknown> =>
    (await pass(values))?.state

  expect([
    await state({ 'app/db-user': 'web' }),
    await state({ 'app/db-user': 'web' }),
    await state({ 'app/db-user': 'new' }),
    await state({ 'app/db-user': 'new', 'app/mode': 'x' }),
    await state({ 'app/db-user': 'new', 'app/mode': 'y' }),
  ]).toEqual(['written', 'same', 'written', 'written', 'written'])
})

test('P7 a pass that is aborted changes nothing', async () => {
  const output = environmentOutput({ groups: [], prefix: '', nameCase: 'keep' })
  const reason = new Error('asked to end')

  await expect(output.publish(snapshot({}), AbortSignal.abort(reason))).rejects.toBe(reason)
})
