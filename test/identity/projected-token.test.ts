import { execFileSync } from 'node:child_process'
import { chmod, mkdir, open, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { projectedToken } from '../../src/identity/projected-token.ts'
import { readPlatformToken } from '../../src/identity/source.ts'
import { fakeClock } from '../support/fake-clock.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { unsignedJwt } from '../support/told.ts'
import { serviceAccountClaims, tokenMaker } from '../support/token-maker.ts'

const clock = fakeClock()
const maker = await tokenMaker()
const signal = new AbortController().signal

test('a projected token is read with its claims and its end', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'token')
  const jwt = await maker.make(serviceAccountClaims())
  await writeFile(path, jwt)

  const token = await projectedToken({ path, clock }).token(signal)

  expect(token.secret.text()).toBe(jwt)
  expect(token.claims['sub']).toBe('system:serviceaccount:shop:web')
  expect(token.header['kid']).toBe('key-1')
  expect(token.expiresAt).toBe(clock.now() + 3_600_000)
})

test('P10: a token that the kubelet replaced is read afresh at the next call', async () => {
  await using directory = await temporaryDirectory()
  const [first, second] = [await maker.make({ jti: '1' }), await maker.make({ jti: '2' })]
  for (const [version, jwt] of [
    ['..1', first],
    ['..2', second],
  ] as const) {
    await mkdir(join(directory.path, version))
    await writeFile(join(directory.path, version, 'token'), jwt)
  }
  await symlink('..1', join(directory.path, '..data'))
  const source = projectedToken({ path: join(directory.path, '..data', 'token'), clock })
  const before = await source.token(signal)

  await symlink('..2', join(directory.path, '..data_tmp'))
  await rename(join(directory.path, '..data_tmp'), join(directory.path, '..data'))
  const after = await source.token(signal)

  expect(before.secret.text()).toBe(first)
  expect(after.secret.text()).toBe(second)
})

test('white space around the token is no part of it', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'token')
  const jwt = await maker.make()
  await writeFile(path, `  ${jwt}\n\n`)

  const token = await projectedToken({ path, clock }).token(signal)

  expect(token.secret.text()).toBe(jwt)
})

test('a missing file is IDENTITY_ABSENT and names the setting', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'token')

  const error = await projectedToken({ path, clock })
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({
    code: 'IDENTITY_ABSENT',
    message: `there is no token file ${path}`,
    hint: `mount the token there, or name its path in JWT_TOKEN_PATH (ls -l ${path})`,
    retryable: false,
  })
})

test('an expired token is IDENTITY_EXPIRED and says for how long', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'token')
  await writeFile(path, await maker.make({ exp: clock.now() / 1000 - 90 }))

  const error = await projectedToken({ path, clock })
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({
    code: 'IDENTITY_EXPIRED',
    message: `the platform token from ${path} expired 90 s ago`,
    retryable: true,
  })
})

test.each([
  ['', 'is empty'],
  ['garbage', 'is no JWT: it has not three parts separated by dots'],
  ['a.b', 'is no JWT: it has not three parts separated by dots'],
  ['a.b.', 'is no JWT: it has not three parts separated by dots'],
  ['a.b.c', 'is no JWT: its header or payload is not JSON'],
  ['W10.W10.c', 'is no JWT: its header or payload is not JSON'],
  ['<html></html>', 'is no JWT: it has not three parts separated by dots'],
  ['x'.repeat(16_385), 'is longer than 16 KiB'],
  ['x'.repeat(1_000_000), 'is longer than 16 KiB'],
])('a file that holds %.20s is IDENTITY_MALFORMED', async (text, what) => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'token')
  await writeFile(path, text)

  const error = await projectedToken({ path, clock })
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({
    code: 'IDENTITY_MALFORMED',
    message: `the platform token from ${path} ${what}`,
  })
})

test('a directory in place of the file is IDENTITY_MALFORMED', async () => {
  await using directory = await temporaryDirectory()

  const error = await projectedToken({ path: directory.path, clock })
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({
    code: 'IDENTITY_MALFORMED',
    message: `the token file ${directory.path} cannot be read (EISDIR)`,
  })
})

test('a pipe is waited for, and read to its end in whatever pieces it gives', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'token')
  execFileSync('mkfifo', [path])
  const jwt = await maker.make()

  const asked = projectedToken({ path, clock }).token(signal)
  const pipe = await open(path, 'w')
  await pipe.write(jwt.slice(0, 10))
  await pipe.write(jwt.slice(10))
  await pipe.close()

  expect((await asked).secret.text()).toBe(jwt)
})

test('P5 what cannot be read is told whole', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'token')
  await writeFile(path, '')
  const about = async (at: string): Promise<unknown> =>
    projectedToken({ path: at, clock, setting: 'SOME_SETTING' })
      .token(signal)
      .catch((error: unknown) => error)

  expect(await about(`${path}/below`)).toMatchObject({
    code: 'IDENTITY_ABSENT',
    message: `there is no token file ${path}/below`,
    hint: `mount the token there, or name its path in SOME_SETTING (ls -l ${path}/below)`,
    facts: { path: `${path}/below`, setting: 'SOME_SETTING', reason: 'ENOTDIR' },
  })
  expect(await about(directory.path)).toMatchObject({
    hint: `SOME_SETTING must name a file that holds one JWT (ls -l ${directory.path})`,
    retryable: true,
    facts: { path: directory.path, setting: 'SOME_SETTING', reason: 'EISDIR' },
  })
  expect(await about(path)).toMatchObject({
    hint: 'have one JWT written there (a projected serviceAccountToken, for one), or name its path in SOME_SETTING',
    retryable: true,
    facts: { from: path },
  })
})

test('P3 a token that ends now has ended, and 16 KiB are the longest', async () => {
  const now = clock.now()
  const read = (text: string): unknown => readPlatformToken(text, { from: 'x', now })

  expect(() => read(unsignedJwt({ exp: now / 1000 }))).toThrow('expired 0 s ago')
  expect(read(unsignedJwt({ exp: now / 1000 + 1 }))).toMatchObject({ expiresAt: now + 1000 })
  const long = unsignedJwt()
  expect(read(long.padEnd(16 * 1024, 'x'))).toMatchObject({ kind: 'jwt' })
  expect(() => read(long.padEnd(16 * 1024 + 1, 'x'))).toThrow('is longer than 16 KiB')
})

test('a token of another place has another name', () => {
  expect(projectedToken({ path: '/a', clock })).toMatchObject({ name: 'projected-token' })
  expect(projectedToken({ path: '/a', clock, name: 'oidc-token-file' })).toMatchObject({
    name: 'oidc-token-file',
    watched: ['/a'],
  })
})

test('P7 a signal that has come stops before the file is opened', async () => {
  const reason = new Error('SIGTERM')

  const asked = projectedToken({ path: '/nowhere', clock }).token(AbortSignal.abort(reason))

  await expect(asked).rejects.toBe(reason)
})

test.skipIf(process.getuid?.() === 0)(
  'a file that this user may not read is IDENTITY_REFUSED',
  async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'token')
    await writeFile(path, await maker.make())
    await chmod(path, 0o000)

    const error = await projectedToken({ path, clock })
      .token(signal)
      .catch((error: unknown) => error)

    expect(error).toMatchObject({ code: 'IDENTITY_REFUSED' })
  },
)
