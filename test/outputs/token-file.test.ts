import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import type { Snapshot } from '../../src/outputs/output.ts'
import { tokenFile, type TokenFileOptions } from '../../src/outputs/token-file.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'

const TOKEN = '{"protected":"eyJ","payload":"e30","signature":"x"}'

function publish(options: Partial<TokenFileOptions> & { path: string }, token = TOKEN) {
  const snapshot: Snapshot = {
    accessToken: new Secret(token),
    values: new Map(),
    unknown: new Set(),
  }
  const output = tokenFile({ encoding: 'raw', whereUnwritable: 'refuse', ...options })
  return output.publish(snapshot, new AbortController().signal)
}

test('the access token stands in its file as Conjur issued it, readable for all', async () => {
  const path = join(temporaryVolume(), 'access-token')

  const published = await publish({ path })

  expect(readFileSync(path, 'utf8')).toBe(TOKEN)
  expect(statSync(path).mode & 0o7777).toBe(0o644)
  expect(published).toEqual([
    { name: 'access-token', kind: 'token', values: 0, mode: 0o644, bytes: 51, state: 'written' },
  ])
})

test('base64 is one line without a newline', async () => {
  const path = join(temporaryVolume(), 'access-token')

  await publish({ path, encoding: 'base64' })

  expect(readFileSync(path, 'utf8')).toBe(Buffer.from(TOKEN).toString('base64'))
})

test('P1 a renewed token takes the place of the old one by rename', async () => {
  const path = join(temporaryVolume(), 'access-token')
  await publish({ path })
  const { ino } = statSync(path)

  const published = await publish({ path }, '{"renewed":true}')

  expect(readFileSync(path, 'utf8')).toBe('{"renewed":true}')
  expect(statSync(path).ino).not.toBe(ino)
  expect(published[0]?.state).toBe('written')
  expect(readdirSync(join(path, '..'))).toEqual(['access-token'])
})

test('a token that is already there is not touched', async () => {
  const path = join(temporaryVolume(), 'access-token')
  await publish({ path })
  const { ino, ctimeMs } = statSync(path)

  const published = await publish({ path })

  expect(statSync(path)).toMatchObject({ ino, ctimeMs })
  expect(published[0]?.state).toBe('same')
})

test('what a killed run left is removed, and a link in the place is not followed', async () => {
  const directory = temporaryVolume()
  const outside = join(temporaryVolume(), 'outside')
  writeFileSync(outside, 'outside')
  symlinkSync(outside, join(directory, 'access-token'))
  symlinkSync(outside, join(directory, '.access-token.tmp'))

  await publish({ path: join(directory, 'access-token') })

  expect(readFileSync(outside, 'utf8')).toBe('outside')
  expect(readdirSync(directory)).toEqual(['access-token'])
})

test('where nobody asked for it and its directory is missing, it is left out', async () => {
  const path = join(temporaryVolume(), 'run/access-token')

  const published = await publish({ path, whereUnwritable: 'leave-out' })

  expect(published).toEqual([])
})

test('where it was asked for, its directory is made with mode 0755', async () => {
  const path = join(temporaryVolume(), 'run/conjur/access-token')

  await publish({ path })

  expect(statSync(join(path, '..')).mode & 0o7777).toBe(0o755)
})

test('a directory with something in it in its place is named', async () => {
  const path = join(temporaryVolume(), 'access-token')
  mkdirSync(join(path, 'sub'), { recursive: true })

  const act = publish({ path })

  await expect(act).rejects.toMatchObject({
    code: 'OUTPUT_BLOCKED',
    message: `${path} is a directory with something in it, where the access token belongs`,
  })
})

test('a place that cannot be written is named', async () => {
  const file = join(temporaryVolume(), 'file')
  writeFileSync(file, '')

  const act = publish({ path: join(file, 'access-token') })

  await expect(act).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' })
})

test('P7 nothing is written once the pass was called off', async () => {
  const path = join(temporaryVolume(), 'access-token')
  const output = tokenFile({ path, encoding: 'raw', whereUnwritable: 'refuse' })
  const snapshot = { accessToken: new Secret(TOKEN), values: new Map(), unknown: new Set<string>() }

  const act = output.publish(snapshot, AbortSignal.abort(new Error('called off')))

  await expect(act).rejects.toThrow('called off')
  expect(readdirSync(join(path, '..'))).toEqual([])
})
