import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findToken, type FoundToken } from '../../src/outputs/token-found.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const TOKEN = '{"protected":"a","payload":"b","signature":"c"}'

async function found(prepare: (path: string) => void): Promise<FoundToken | undefined> {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'access-token')
  prepare(path)
  return findToken({ path, whereUnwritable: 'refuse' })
}

const write =
  (content: string | Buffer, mode = 0o644) =>
  (path: string) => {
    writeFileSync(path, content)
    chmodSync(path, mode)
  }

test.each([
  ['raw', TOKEN],
  ['base64', Buffer.from(TOKEN).toString('base64')],
])('a token file is read back in either encoding: %s', async (_name, content) => {
  const token = await found(write(content))

  expect(token).toMatchObject({ writtenAt: expect.any(Number) })
  expect(token !== undefined && 'text' in token && token.text.text()).toBe(TOKEN)
})

test('no file is no token, and so is a directory that is not there', async () => {
  expect(await found(() => undefined)).toBeUndefined()
  expect(findToken({ path: '/nowhere/token', whereUnwritable: 'refuse' })).toBeUndefined()
  expect(findToken({ path: '/nowhere/token', whereUnwritable: 'leave-out' })).toBeUndefined()
})

test('white space before the JSON does not make it base64, and 64 KiB may be a token', async () => {
  const padded = ` \n${TOKEN}`.padStart(65_536)

  const token = await found(write(padded))

  expect(token !== undefined && 'text' in token && token.text.text()).toBe(padded)
})

test.skipIf(process.getuid?.() !== 0)('P8 a file of another user does not count', async () => {
  const foreign = (path: string): void => {
    write(TOKEN)(path)
    chownSync(path, 4711, 0)
  }

  expect(await found(foreign)).toEqual({ why: 'it belongs to another user' })
})

test.each<[string, (path: string) => void, string]>([
  ['others may write it', write(TOKEN, 0o666), 'others may write it'],
  ['its group may write it', write(TOKEN, 0o664), 'others may write it'],
  ['it is huge', write(Buffer.alloc(65_537, 0x20)), 'it is larger than a token'],
  [
    'it is a link',
    (path) => {
      writeFileSync(`${path}.real`, TOKEN)
      symlinkSync(`${path}.real`, path)
    },
    'it cannot be opened: ELOOP',
  ],
  ['it is a directory', (path) => mkdirSync(path), 'it is no regular file'],
  // Nobody writes into it: a look that waited would never end.
  ['it is a pipe', (path) => void execFileSync('mkfifo', [path]), 'it is no regular file'],
])('a file does not count where %s', async (_name, prepare, why) => {
  expect(await found(prepare)).toEqual({ why })
})
