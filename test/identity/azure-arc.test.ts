import { chmod, chown, mkdir, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import type { IdentityError } from '../../src/core/errors.ts'
import { challengeFile } from '../../src/identity/arc-challenge.ts'
import { azureArc, type AzureArcOptions } from '../../src/identity/azure-arc.ts'
import { hastyClock, type FakeClock } from '../support/fake-clock.ts'
import {
  ARC_HOST,
  simulatedArc,
  type SimulatedArcOptions,
} from '../support/platform-simulator/arc.ts'
import type { ManagedIdentity } from '../support/platform-simulator/imds.ts'
import { startPlatform, type Platform, type Reply } from '../support/platform-simulator/platform.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { azureClaims, tokenMaker } from '../support/token-maker.ts'

const DIRECTORY = '/var/opt/azcmagent/tokens'
const SYSTEM: ManagedIdentity = {
  kind: 'system',
  clientId: 'c-sys',
  objectId: 'o-sys',
  resourceId: '/r/sys',
}
const WEB: ManagedIdentity = {
  kind: 'user',
  clientId: 'c-web',
  objectId: 'o-web',
  resourceId: '/r/web',
}

const maker = await tokenMaker()
const signal = new AbortController().signal

let clock: FakeClock
let platform: Platform
let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let echo: SimulatedArcOptions['echo']

beforeEach(async () => {
  clock = hastyClock()
  directory = await temporaryDirectory()
  echo = 'same'
  const endpoint = simulatedArc({
    tokensDirectory: directory.path,
    identities: () => [SYSTEM, WEB],
    tokenFor: ({ clientId }) => maker.make(azureClaims({ appid: clientId })),
    get echo() {
      return echo ?? 'same'
    },
  })
  platform = await startPlatform({ [ARC_HOST]: endpoint }, clock)
})

afterEach(async () => {
  expect(platform.violations).toEqual([])
  await platform.close()
  await directory[Symbol.asyncDispose]()
})

test('the challenge is answered with the content of the file, a new one each time', async () => {
  const arc = source()
  await arc.token(signal)

  const token = await arc.token(signal)

  expect(token.claims['appid']).toBe('c-sys')
  expect(platform.requests.map(({ headers }) => headers['authorization'] !== undefined)).toEqual([
    false,
    true,
    false,
    true,
  ])
  expect(platform.requests[0]?.target).toBe(
    '/metadata/identity/oauth2/token?api-version=2020-06-01&resource=https%3A%2F%2Fmanagement.azure.com%2F',
  )
})

test('localhost is asked by its IPv4 address, where the agent listens', async () => {
  await source({
    endpoint: new URL('http://localhost:40342/metadata/identity/oauth2/token'),
  }).token(signal)

  expect(platform.requests[0]?.host).toBe(ARC_HOST)
})

test.each(['same', 'other case'] as const)(
  'a user-assigned identity is taken if the agent echoes it, %s',
  async (how) => {
    echo = how

    const token = await source({ selector: { kind: 'clientId', value: 'c-web' } }).token(signal)

    expect(token.claims['appid']).toBe('c-web')
  },
)

test("an older agent's token, of the machine instead, is refused", async () => {
  echo = 'none'

  const error = await failure({ selector: { kind: 'clientId', value: 'c-web' } })

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message:
      'the Arc agent at 127.0.0.1:40342 does not say that its token is of the managed identity with client id c-web',
    hint: "upgrade azcmagent, or unset CONJUR_AUTHN_AZURE_CLIENT_ID to use the machine's own identity",
  })
})

test.each<[string, Reply]>([
  ['a token without a challenge', { status: 200, body: '{"access_token":"eyJ"}' }],
  ['400', { status: 400 }],
  ['403', { status: 403 }],
])('%s is refused at once', async (_what, fault) => {
  platform.script(ARC_HOST, [fault])

  const error = await failure()

  expect(error).toMatchObject({ code: 'IDENTITY_REFUSED', retryable: false })
  expect(platform.requests).toHaveLength(1)
})

test.each([
  ['no header', undefined],
  ['another scheme', `Digest realm=${DIRECTORY}/1.key`],
  ['a quoted path', `Basic realm="${DIRECTORY}/1.key"`],
  ['another name', `Basic Realm=${DIRECTORY}/1.key`],
  ['a relative path', 'Basic realm=tokens/1.key'],
  ['a path outside', 'Basic realm=/etc/ssl/private/1.key'],
  ['a way up', `Basic realm=${DIRECTORY}/../secrets/1.key`],
  ['a way up and back', `Basic realm=${DIRECTORY}/../tokens/1.key`],
  ['a directory below', `Basic realm=${DIRECTORY}/a/1.key`],
  ['a directory that begins alike', `Basic realm=${DIRECTORY}-other/1.key`],
  ['another suffix', `Basic realm=${DIRECTORY}/1.pem`],
  ['a double slash', `Basic realm=${DIRECTORY}//1.key`],
])('a challenge with %s names no file that is read', (_what, header) => {
  expect(challengeFile(header, DIRECTORY)).toBeUndefined()
})

test("a challenge in the agent's own directory names its file", () => {
  expect(challengeFile(`Basic realm=${DIRECTORY}/5f.key`, DIRECTORY)).toBe(`${DIRECTORY}/5f.key`)
})

test('a challenge that names another file is refused, and nothing is read or sent', async () => {
  platform.script(ARC_HOST, [challenge('/etc/passwd.key')])

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: 'the Arc agent at 127.0.0.1:40342 names a challenge file outside its own directory',
    hint: 'find out what listens at the Arc agent at 127.0.0.1:40342 (ss -ltnp): it is not azcmagent, whose files are in /var/opt/azcmagent/tokens',
  })
  expect(platform.requests).toHaveLength(1)
})

test.each<[string, (path: string) => Promise<void>, string]>([
  [
    'a symbolic link',
    async (path) => {
      await writeFile(`${path}.target`, 'x')
      await symlink(`${path}.target`, path)
    },
    'is a symbolic link',
  ],
  ['a directory', (path) => mkdir(path).then(() => {}), 'is no regular file'],
  ['4097 bytes', (path) => writeFile(path, 'x'.repeat(4097)), 'is longer than 4096 bytes'],
  ['an empty file', (path) => writeFile(path, ''), 'is empty or no plain text'],
  ['a file of two lines', (path) => writeFile(path, 'a\r\nX-Evil: 1'), 'is empty or no plain text'],
  [
    'a file that everybody may write',
    async (path) => {
      await writeFile(path, 'x')
      await chmod(path, 0o666)
    },
    'may be written by everybody',
  ],
])('%s in place of the challenge file is refused', async (_what, make, why) => {
  const path = join(directory.path, 'planted.key')
  await make(path)
  platform.script(ARC_HOST, [challenge(path)])

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: `the challenge file ${path} ${why}`,
    hint: `see who made it: ls -ln ${path}; azcmagent makes them root's, short and read-only`,
    retryable: false,
    facts: { path },
  })
  expect(platform.requests).toHaveLength(1)
})

test.skipIf(process.getuid?.() !== 0)(
  "a challenge file of another user is refused, one of its directory's owner is not",
  async () => {
    const path = join(directory.path, 'owned.key')
    await writeFile(path, 'x')
    await chown(path, 4711, 0)
    const ask = challenge(path)
    platform.script(ARC_HOST, [ask, ask, { status: 403 }, ask, { status: 403 }])

    const foreign = await failure()
    await chown(directory.path, 4711, 0)
    await failure()
    await chown(path, 0, 0)
    await failure()

    expect(foreign.message).toBe(`the challenge file ${path} belongs to another user`)
    expect(platform.requests.map(({ headers }) => headers['authorization'])).toEqual([
      undefined,
      undefined,
      'Basic x',
      undefined,
      'Basic x',
    ])
  },
)

test('4096 bytes are read', async () => {
  const path = join(directory.path, 'long.key')
  await writeFile(path, 'x'.repeat(4096))
  platform.script(ARC_HOST, [challenge(path)])

  await failure()

  expect(platform.requests[1]?.headers['authorization']).toBe(`Basic ${'x'.repeat(4096)}`)
})

test('a file that is gone when it is read leads to a new question', async () => {
  const path = join(directory.path, 'gone.key')
  await writeFile(path, 'x')
  await unlink(path)
  platform.script(ARC_HOST, [challenge(path)])

  const token = await source().token(signal)

  expect(token.claims['appid']).toBe('c-sys')
})

test('an agent that starts late is waited for', async () => {
  platform.script(ARC_HOST, ['refused', { status: 503 }])

  await source().token(signal)

  expect(clock.waits).toEqual([1000, 2000])
})

test('P8: an endpoint on another machine is refused', () => {
  expect(() => source({ endpoint: new URL('http://10.0.0.1:40342/') })).toThrow(
    expect.objectContaining({
      code: 'IDENTITY_REFUSED',
      message: '10.0.0.1:40342 is no place for an Arc agent',
      hint: 'IDENTITY_ENDPOINT must be on this machine, as azcmagent sets it: http://localhost:40342/…',
    }),
  )
})

test.each([404, 408, 429, 500, 502, 503, 504])('P5 %i is waited out, and told', async (status) => {
  platform.script(ARC_HOST, [{ fault: { status }, times: 99 }])

  const error = await failure()

  expect(clock.waits.slice(0, 6)).toEqual([1000, 2000, 4000, 8000, 16_000, 16_000])
  expect(error).toMatchObject({
    code: 'IDENTITY_NOT_READY',
    message: `the Arc agent at 127.0.0.1:40342 answers ${status}`,
    hint: 'start it: systemctl status himdsd; azcmagent show',
    retryable: true,
  })
})

test('P5 an answer out of turn is told, to the first question or the second', async () => {
  const path = join(directory.path, '1.key')
  await writeFile(path, 'x')
  platform.script(ARC_HOST, [challenge(path), { status: 401 }])

  const error = await failure()

  expect(platform.requests).toHaveLength(2)
  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: 'the Arc agent at 127.0.0.1:40342 answers 401 out of turn',
    hint: 'see what the agent says (azcmagent show, azcmagent logs), and whether it is azcmagent at all',
  })
})

test('P5 a challenge file that is always gone is told after two new questions', async () => {
  const path = join(directory.path, 'gone.key')
  platform.script(ARC_HOST, [{ fault: challenge(path), times: 99 }])

  const error = await failure()

  expect(clock.waits).toEqual([1000, 1000])
  expect(error).toMatchObject({
    code: 'IDENTITY_NOT_READY',
    message: `the challenge file ${path} is gone or unreadable (ENOENT)`,
    hint: `mount ${directory.path} of the machine into this container, read-only`,
    retryable: true,
    facts: { path, reason: 'ENOENT' },
  })
})

test.each([
  [{ kind: 'clientId', value: 'c-web' }, 'client_id=c-web'],
  [{ kind: 'objectId', value: 'o-web' }, 'object_id=o-web'],
  [{ kind: 'resourceId', value: '/r/web' }, 'msi_res_id=%2Fr%2Fweb'],
] as const)('%o is sent and echoed', async (selector, query) => {
  const token = await source({ selector }).token(signal)

  expect(token.claims['appid']).toBe('c-web')
  expect(platform.requests[0]?.target).toMatch(new RegExp(`&${query}$`))
})

test('it is named, and no file is watched', () => {
  expect(source()).toMatchObject({ name: 'azure-arc', watched: [] })
})

function challenge(path: string): Reply {
  return { status: 401, headers: { 'WWW-Authenticate': `Basic realm=${path}` } }
}

function source(overrides: Partial<AzureArcOptions> = {}): ReturnType<typeof azureArc> {
  return azureArc({
    send: platform.send,
    clock,
    random: () => 0,
    resource: 'https://management.azure.com/',
    tokensDirectory: directory.path,
    ...overrides,
  })
}

function failure(overrides: Partial<AzureArcOptions> = {}): Promise<IdentityError> {
  return source(overrides)
    .token(signal)
    .then(
      () => Promise.reject(new Error('there was a token')),
      (error: IdentityError) => error,
    )
}
