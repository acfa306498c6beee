import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readGiven } from '../../src/config/given.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test.each([
  ['JSON', '\uFEFF{ "account": "acme" }\r\n'],
  ['YAML', '\uFEFFaccount: acme\r\n'],
])('a config file in %s may begin with a byte order mark', async (_form, text) => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'config')
  await writeFile(path, text)

  const given = await readGiven({ flags: { config: path }, environment: {} })

  expect(given.file).toEqual({ account: 'acme' })
})

test('P10 an annotations file that is still to come is watched where its directory is there', async () => {
  await using directory = await temporaryDirectory()
  const coming = join(directory.path, 'annotations')
  const never = join(directory.path, 'gone', 'annotations')

  const given = await readGiven({ flags: { 'annotations-file': coming }, environment: {} })
  const other = await readGiven({ flags: { 'annotations-file': never }, environment: {} })

  expect(given.files).toEqual([coming])
  expect(other.files).toEqual([])
})
