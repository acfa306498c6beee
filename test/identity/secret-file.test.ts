import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { apiKeyFile } from '../../src/identity/api-key-file.ts'
import { readSecretFile } from '../../src/identity/secret-file.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test.each([
  ['key', 'key'],
  ['key\n', 'key'],
  ['key\r\n\r\n', 'key'],
  [' k\ney ', ' k\ney '],
])('%j holds the secret %j', async (content, secret) => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'secret')
  await writeFile(path, content)

  expect((await readSecretFile(path, 'SOME_SETTING')).text()).toBe(secret)
})

test('P5 an empty file is being written, or wrong', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'secret')
  await writeFile(path, '\r\n')

  await expect(readSecretFile(path, 'SOME_SETTING')).rejects.toMatchObject({
    code: 'IDENTITY_MALFORMED',
    message: `the file ${path} is empty`,
    hint: 'write the secret there and nothing else, or name another file in SOME_SETTING',
    retryable: true,
    facts: { path, setting: 'SOME_SETTING' },
  })
})

test('an API key names its own setting, and P7 is not read once the end has come', async () => {
  const source = apiKeyFile({ path: '/nowhere/key' })
  const reason = new Error('SIGTERM')

  expect(source).toMatchObject({ name: 'api-key-file', watched: ['/nowhere/key'] })
  await expect(source.token(new AbortController().signal)).rejects.toMatchObject({
    hint: expect.stringContaining('CONJUR_AUTHN_API_KEY_FILE'),
  })
  await expect(source.token(AbortSignal.abort(reason))).rejects.toBe(reason)
})
