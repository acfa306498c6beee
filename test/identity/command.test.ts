import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import type { IdentityError } from '../../src/core/errors.ts'
import { command } from '../../src/identity/command.ts'
import { hastyClock } from '../support/fake-clock.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { serviceAccountClaims, tokenMaker } from '../support/token-maker.ts'

const maker = await tokenMaker()
const signal = new AbortController().signal

let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let program: string

beforeEach(async () => {
  directory = await temporaryDirectory()
  program = join(directory.path, 'identity-plugin')
})

afterEach(() => directory[Symbol.asyncDispose]())

test('a JWT is read from the JSON it prints', async () => {
  const jwt = await maker.make(serviceAccountClaims())
  await script(`printf '%s\\n' '{"token":"${jwt}"}'`)

  const credential = await source().token(signal)

  expect(credential).toMatchObject({
    kind: 'jwt',
    claims: { sub: 'system:serviceaccount:shop:web' },
  })
})

test('with authn it is an API key', async () => {
  await script(`echo '{"apiKey":"k3y"}'`)

  const credential = await source({ yields: 'api-key' }).token(signal)

  expect(credential.kind).toBe('api-key')
  expect(credential.secret.text()).toBe('k3y')
})

test('its arguments are passed as they are: no shell reads them', async () => {
  const seen = join(directory.path, 'seen')
  await script(`printf '%s' "$1" > '${seen}'; echo '{"apiKey":"k"}'`)

  await source({ args: ['$(id); `id` > /tmp/x'], yields: 'api-key' }).token(signal)

  expect(await readFile(seen, 'utf8')).toBe('$(id); `id` > /tmp/x')
})

test('it sees the environment it is given and nothing else', async () => {
  await script(`echo "{\\"apiKey\\":\\"$MINE-$HOME\\"}"`)

  const credential = await source({ environment: { MINE: 'here' }, yields: 'api-key' }).token(
    signal,
  )

  expect(credential.secret.text()).toBe('here-')
})

test.each([
  ['nothing', 'exit 0'],
  ['text', 'echo hello'],
  ['a list', "echo '[]'"],
  ['other JSON', `echo '{"jwt":"x"}'`],
  ['an API key', `echo '{"apiKey":"x"}'`],
])('a command that prints %s is IDENTITY_MALFORMED', async (_what, body) => {
  await script(body)

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_MALFORMED',
    message: `the identity command ${program} does not print {"token": "…"}`,
    hint: `run it by hand as this user: ${program} must print one JSON object and nothing else`,
    facts: { command: program },
  })
})

test('P2: what it prints is in no error', async () => {
  await script(`echo 's3cr3t'; echo 's3cr3t' >&2; exit 3`)

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: `the identity command ${program} ends with exit code 3`,
    hint: `run it by hand as this user and read what it says on standard error: ${program}`,
    retryable: true,
    facts: { command: program, exitCode: 3 },
  })
  expect(JSON.stringify([error.message, error.hint, error.facts])).not.toContain('s3cr3t')
})

test('P3 a JWT that has ended is told with the command that printed it', async () => {
  const ended = await maker.make({ exp: 1 })
  await script(`echo '{"token":"${ended}"}'`)

  expect(await failure()).toMatchObject({
    code: 'IDENTITY_EXPIRED',
    message: expect.stringContaining(`the platform token from ${program} expired`),
  })
})

test('a refusal is final: the command is not run again', async () => {
  const count = join(directory.path, 'count')
  await script(`echo x >> '${count}'; exit 3`)

  await failure()

  expect(await readFile(count, 'utf8')).toBe('x\n')
})

test('exit code 75 is not yet: it is run again, for a minute', async () => {
  const count = join(directory.path, 'count')
  await script(
    `echo x >> '${count}'; [ $(wc -l < '${count}') -lt 3 ] && exit 75; echo '{"apiKey":"k"}'`,
  )

  const credential = await source({ yields: 'api-key' }).token(signal)

  expect(credential.secret.text()).toBe('k')
})

test('one that is never ready is IDENTITY_NOT_READY', async () => {
  await script('exit 75')

  const error = await failure({ budgetMs: 3000 })

  expect(error).toMatchObject({
    code: 'IDENTITY_NOT_READY',
    message: `the identity command ${program} has no token yet (exit code 75)`,
    retryable: true,
    facts: { command: program, exitCode: 75 },
  })
})

test('one that a signal ends is refused by the name of that signal', async () => {
  await script('kill -TERM $$')

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: `the identity command ${program} is ended by SIGTERM`,
    facts: { command: program, exitCode: undefined },
  })
})

test('64 KiB to the last byte are read, in however many pieces they come', async () => {
  await script(`printf '{"apiKey":"'; head -c 65521 /dev/zero | tr '\\0' 'k'; printf '"}\\n\\n'`)

  const credential = await source({ yields: 'api-key' }).token(signal)

  expect(credential.secret.text()).toBe('k'.repeat(65_521))
})

test('what it left running when it ended is killed', async () => {
  const pidFile = join(directory.path, 'pid')
  await script(
    `trap "" TERM; sleep 1000 > /dev/null & echo $! > '${pidFile}'; echo '{"apiKey":"k"}'`,
  )

  await source({ yields: 'api-key' }).token(signal)

  const pid = Number(await readFile(pidFile, 'utf8'))
  await vi.waitFor(async () => expect(await isGone(pid)).toBe(true))
})

test('it is named, and no file is watched', () => {
  expect(source()).toMatchObject({ name: 'command', watched: [] })
})

test('output without end is cut at 64 KiB and the command killed', async () => {
  await script('exec yes')

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_MALFORMED',
    message: `the identity command ${program} prints more than 64 KiB`,
  })
})

test('a command that does not end is killed with its children', async () => {
  const pidFile = join(directory.path, 'pid')
  await script(`sleep 1000 & echo $! > '${pidFile}'; wait`)

  const error = await failure({ deadlineMs: 300, budgetMs: 0 })

  expect(error).toMatchObject({
    code: 'IDENTITY_NOT_READY',
    message: `the identity command ${program} does not end within 0.3 s`,
    hint: `run it by hand (time ${program}), or raise CONJUR_IDENTITY_COMMAND_TIMEOUT`,
    retryable: true,
    facts: { command: program },
  })
  const pid = Number(await readFile(pidFile, 'utf8'))
  await vi.waitFor(async () => expect(await isGone(pid)).toBe(true))
})

test('P7: aborting ends it at once', async () => {
  await script('sleep 1000')
  const stop = new AbortController()
  const reason = new Error('SIGTERM')

  const asked = source()
    .token(stop.signal)
    .catch((error: unknown) => error)
  setImmediate(() => stop.abort(reason))

  expect(await asked).toBe(reason)
})

test('a command that is not there is IDENTITY_ABSENT', async () => {
  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_ABSENT',
    message: `the identity command ${program} cannot be started (ENOENT)`,
    hint: `CONJUR_IDENTITY_COMMAND must name a program that is there and executable: ls -l ${program}`,
    facts: { command: program, reason: 'ENOENT' },
  })
})

async function script(body: string): Promise<void> {
  await writeFile(program, `#!/bin/sh\n${body}\n`)
  await chmod(program, 0o755)
}

interface Overrides {
  readonly args?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly deadlineMs?: number
  readonly budgetMs?: number
  readonly yields?: 'jwt' | 'api-key'
}

function source({
  args = [],
  environment = { PATH: process.env['PATH'] ?? '' },
  deadlineMs = 5000,
  yields = 'jwt',
  budgetMs,
}: Overrides = {}): ReturnType<typeof command> {
  return command({
    command: [program, ...args],
    environment,
    deadlineMs,
    clock: hastyClock(),
    budgetMs,
    yields,
  })
}

function failure(overrides: Overrides = {}): Promise<IdentityError> {
  return source(overrides)
    .token(signal)
    .then(
      () => Promise.reject(new Error('there was a credential')),
      (error: IdentityError) => error,
    )
}

/** Whether a process is gone, or only waits for its parent to take note. */
async function isGone(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return stat === undefined || / Z /.test(stat)
}
