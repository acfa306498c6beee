import { afterEach, beforeEach, expect, test } from 'vitest'

import type { IdentityError } from '../../src/core/errors.ts'
import type { HttpReply, Send } from '../../src/core/http.ts'
import { azureImds, type AzureImdsOptions } from '../../src/identity/azure-imds.ts'
import { fakeClock, hastyClock, TEST_TIME, type FakeClock } from '../support/fake-clock.ts'
import {
  IMDS_HOST,
  simulatedImds,
  type ManagedIdentity,
} from '../support/platform-simulator/imds.ts'
import { startPlatform, type Fault, type Platform } from '../support/platform-simulator/platform.ts'
import { azureClaims, tokenMaker } from '../support/token-maker.ts'

const SYSTEM: ManagedIdentity = {
  kind: 'system',
  clientId: 'c-sys',
  objectId: 'o-sys',
  resourceId: '/subscriptions/s/vm',
}
const WEB: ManagedIdentity = {
  kind: 'user',
  clientId: 'c-web',
  objectId: 'o-web',
  resourceId: '/subscriptions/s/id-web',
}
const JOBS: ManagedIdentity = {
  kind: 'user',
  clientId: 'c-jobs',
  objectId: 'o-jobs',
  resourceId: '/subscriptions/s/id-jobs',
}

const maker = await tokenMaker({
  issuer: 'https://sts.windows.net/0f1e2d3c-1111-4a4a-8b8b-000000000001/',
})
const signal = new AbortController().signal

let clock: FakeClock
let platform: Platform
let attached: readonly ManagedIdentity[]

beforeEach(async () => {
  clock = hastyClock()
  attached = [SYSTEM]
  const imds = simulatedImds({
    identities: () => attached,
    tokenFor: ({ clientId }, resource) =>
      maker.make(azureClaims({ appid: clientId, aud: resource })),
  })
  platform = await startPlatform({ [IMDS_HOST]: imds }, clock)
})

afterEach(async () => {
  expect(platform.violations).toEqual([])
  await platform.close()
})

test('a system-assigned identity gets a token by one plain request', async () => {
  const token = await source().token(signal)

  expect(token.claims).toMatchObject({ appid: 'c-sys', aud: 'https://management.azure.com/' })
  expect(
    platform.requests.map(
      ({ method, host, path, query }) => `${method} ${host}${path}?${query.toString()}`,
    ),
  ).toEqual([
    'GET 169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F',
  ])
})

test.each([
  ['clientId', 'c-web'],
  ['objectId', 'o-web'],
  ['resourceId', '/subscriptions/s/id-web'],
] as const)('a user-assigned identity is chosen by %s', async (kind, value) => {
  attached = [SYSTEM, WEB, JOBS]

  const token = await source({ selector: { kind, value } }).token(signal)

  expect(token.claims['appid']).toBe('c-web')
})

test('the api-version and the resource are settings', async () => {
  await source({ apiVersion: '2021-02-01', resource: 'https://vault.example.com/a?b=c&d' }).token(
    signal,
  )

  const [request] = platform.requests
  expect(request?.query.get('api-version')).toBe('2021-02-01')
  expect(request?.query.get('resource')).toBe('https://vault.example.com/a?b=c&d')
})

test('nothing is cached: each call asks again', async () => {
  const imds = source()

  await imds.token(signal)
  await imds.token(signal)

  expect(platform.requests).toHaveLength(2)
})

test('a machine that boots is waited for: refused 3 s, 404 twice, 410 for 65 s, 429, then a token', async () => {
  platform.script(IMDS_HOST, [
    { fault: 'refused', forMs: 3000 },
    { fault: { status: 404, body: '{"error":"Not found"}' }, times: 2 },
    { fault: { status: 410 }, forMs: 65_000 },
    { fault: { status: 429, headers: { 'Retry-After': '7' } }, times: 1 },
  ])
  const told: string[] = []

  const token = await source({
    onRetry: ({ code }, waitMs) => told.push(`${code} ${waitMs}`),
  }).token(signal)

  expect(token.claims['appid']).toBe('c-sys')
  expect(told).toEqual([
    'IDENTITY_ABSENT 1000',
    'IDENTITY_ABSENT 2000',
    'IDENTITY_NOT_READY 4000',
    'IDENTITY_NOT_READY 8000',
    ...Array.from({ length: 7 }, () => 'IDENTITY_NOT_READY 10000'),
    'IDENTITY_NOT_READY 16000',
  ])
})

test.each([
  ['45', 45_000],
  [new Date(TEST_TIME + 9000).toUTCString(), 9000],
  ['0', 1000],
  ['-5', 1000],
  ['soon', 1000],
  ['999999999', 1000],
])(
  'P9: Retry-After %s is kept where it is longer than our own wait, and makes sense',
  async (retryAfter, waitMs) => {
    platform.script(IMDS_HOST, [{ status: 429, headers: { 'Retry-After': retryAfter } }])

    await source().token(signal)

    expect(clock.waits).toEqual([waitMs])
  },
)

test('an answer 410 is outlasted for 80 s whatever the budget', async () => {
  platform.script(IMDS_HOST, [{ fault: { status: 410 }, forMs: 70_000 }])

  const token = await source({ budgetMs: 1000 }).token(signal)

  expect(token.claims['appid']).toBe('c-sys')
})

test('waits spread by up to a quarter', async () => {
  platform.script(IMDS_HOST, [{ fault: { status: 500 }, times: 3 }])

  await source({ random: () => 1 }).token(signal)

  expect(clock.waits).toEqual([1250, 2500, 5000])
})

test.each<[string, Fault, Partial<IdentityError>]>([
  [
    'nobody listening',
    'refused',
    {
      code: 'IDENTITY_ABSENT',
      message:
        'the metadata service at 169.254.169.254 gives no answer: 169.254.169.254 refuses the connection',
      retryable: true,
    },
  ],
  [
    'silence',
    'silent',
    {
      code: 'IDENTITY_ABSENT',
      message:
        'the metadata service at 169.254.169.254 gives no answer: 169.254.169.254 does not answer in time',
      retryable: true,
    },
  ],
  [
    'a cut body',
    'cut',
    {
      code: 'IDENTITY_MALFORMED',
      message:
        'the metadata service at 169.254.169.254 gives no answer: the answer of 169.254.169.254 ends before it is complete',
      retryable: true,
    },
  ],
  [
    'an endless body',
    'endless',
    {
      code: 'IDENTITY_MALFORMED',
      message:
        'the metadata service at 169.254.169.254 gives no answer: the answer of 169.254.169.254 is too long',
      retryable: true,
    },
  ],
  [
    '404',
    { status: 404 },
    {
      code: 'IDENTITY_NOT_READY',
      message: 'the metadata service at 169.254.169.254 answers 404',
      retryable: true,
    },
  ],
  [
    '410',
    { status: 410 },
    {
      code: 'IDENTITY_NOT_READY',
      message: 'the metadata service at 169.254.169.254 answers 410',
      retryable: true,
    },
  ],
  [
    '429',
    { status: 429, headers: { 'Retry-After': '7' } },
    {
      code: 'IDENTITY_NOT_READY',
      message: 'the metadata service at 169.254.169.254 answers 429',
      retryable: true,
      retryAfterMs: 7000,
    },
  ],
  [
    '500',
    { status: 500, body: '{"error":"unknown"}' },
    {
      code: 'IDENTITY_NOT_READY',
      message: 'the metadata service at 169.254.169.254 answers 500',
      retryable: true,
    },
  ],
  [
    'HTML',
    { status: 200, body: '<html>sign in</html>' },
    {
      code: 'IDENTITY_MALFORMED',
      message: 'the metadata service at 169.254.169.254 answers 200 with HTML without a token',
      retryable: true,
    },
  ],
  [
    'nothing',
    { status: 200, body: '' },
    {
      code: 'IDENTITY_MALFORMED',
      message: 'the metadata service at 169.254.169.254 answers 200 without a token',
      retryable: true,
    },
  ],
  [
    'a token of two parts',
    { status: 200, body: '{"access_token":"a.b"}' },
    {
      code: 'IDENTITY_MALFORMED',
      message:
        'the platform token from the metadata service at 169.254.169.254 is no JWT: it has not three parts separated by dots',
      retryable: true,
    },
  ],
  [
    'container start-up text',
    { status: 400, body: 'Received invalid token. Please try again.' },
    {
      code: 'IDENTITY_NOT_READY',
      message: 'the metadata service at 169.254.169.254 is still starting',
      retryable: true,
    },
  ],
])(
  'where %s lasts longer than the budget, the last answer is thrown',
  async (_what, fault, expected) => {
    platform.script(IMDS_HOST, [{ fault, times: 1000 }])

    const error = await source({ budgetMs: 4000 })
      .token(signal)
      .catch((error: unknown) => error)

    expect(error).toMatchObject(expected)
  },
)

test.each<[string, Fault, Partial<IdentityError>]>([
  [
    'a redirect',
    { status: 302, headers: { Location: 'http://127.0.0.1:1/' } },
    {
      code: 'IDENTITY_REFUSED',
      message:
        'the metadata service at 169.254.169.254 answers 302, a redirect, which is never followed',
    },
  ],
  [
    'an unknown resource',
    { status: 400, body: '{"error":"invalid_resource","error_description":"AADSTS500011: none"}' },
    {
      code: 'IDENTITY_REFUSED',
      hint: 'correct CONJUR_AUTHN_AZURE_RESOURCE: the tenant does not know it (default https://management.azure.com/)',
    },
  ],
  [
    'an unknown version',
    {
      status: 400,
      body: '{"error":"Bad request. api-version is invalid","newest-versions":["x"]}',
    },
    {
      code: 'IDENTITY_REFUSED',
      hint: 'correct CONJUR_AUTHN_AZURE_API_VERSION (default 2018-02-01)',
    },
  ],
  ['401', { status: 401, body: '{"error":"unauthorized_client"}' }, { code: 'IDENTITY_REFUSED' }],
  [
    'a container engine',
    { status: 403, body: 'connecting to 169.254.169.254: unreachable network' },
    {
      code: 'IDENTITY_ABSENT',
      hint: 'this is no Azure machine; name another identity in CONJUR_IDENTITY_SOURCE',
    },
  ],
])('%s is not tried again', async (_what, fault, expected) => {
  platform.script(IMDS_HOST, [fault])

  const error = await source()
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({ ...expected, retryable: false })
  expect(platform.requests).toHaveLength(1)
})

test('an identity attached while we wait is found', async () => {
  attached = []

  const token = await source({
    onRetry: () => {
      attached = [SYSTEM]
    },
  }).token(signal)

  expect(token.claims['appid']).toBe('c-sys')
})

test('no identity after three more tries is IDENTITY_ABSENT and names the selector', async () => {
  attached = [SYSTEM]

  const error = await source({ selector: { kind: 'objectId', value: 'o-gone' } })
    .token(signal)
    .catch((error: unknown) => error)

  expect(clock.waits).toEqual([1000, 2000, 4000])
  expect(error).toMatchObject({
    code: 'IDENTITY_ABSENT',
    message: 'no managed identity with object id o-gone is attached to this machine',
    hint: 'attach it (az vm identity assign, az container create --assign-identity), or correct CONJUR_AUTHN_AZURE_OBJECT_ID',
  })
})

test('several identities and no selector is IDENTITY_REFUSED at once', async () => {
  attached = [WEB, JOBS]

  const error = await source()
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: 'several managed identities are attached and none is chosen',
  })
})

test('P7: aborting ends a wait at once with the reason given', async () => {
  platform.script(IMDS_HOST, [{ fault: { status: 500 }, times: 1000 }])
  const stop = new AbortController()
  const reason = new Error('SIGTERM')

  const error = await source({ onRetry: () => stop.abort(reason) })
    .token(stop.signal)
    .catch((error: unknown) => error)

  expect(error).toBe(reason)
})

test('P7: aborting ends a request that gets no answer', async () => {
  platform.script(IMDS_HOST, ['silent'])
  const stop = new AbortController()
  const reason = new Error('SIGTERM')

  const asked = source()
    .token(stop.signal)
    .catch((error: unknown) => error)
  stop.abort(reason)

  expect(await asked).toBe(reason)
})

test('P8: another address is honoured for a loopback or link-local host only', () => {
  expect(() => source({ baseUrl: new URL('http://imds.example.com') })).toThrow(
    'imds.example.com is no place for a metadata service',
  )
})

test.each([-600_000, 600_000])(
  'a token of five minutes is judged by the clock of its issuer: ours is %i ms off',
  async (offMs) => {
    const ours = hastyClock(clock.now() + offMs)
    const body = JSON.stringify({
      access_token: await maker.make({ exp: clock.now() / 1000 + 300 }),
      expires_in: '300',
    })
    platform.script(IMDS_HOST, [{ status: 200, body }])

    const token = await source({ clock: ours, budgetMs: 0 }).token(signal)

    expect(token.expiresAt).toBe(clock.now() + 300_000)
  },
)

test('a token that ended by the clock of its issuer is IDENTITY_EXPIRED', async () => {
  const body = JSON.stringify({ access_token: await maker.make({ exp: clock.now() / 1000 - 5 }) })
  platform.script(IMDS_HOST, [{ fault: { status: 200, body }, times: 1000 }])

  const error = await source({ budgetMs: 0 })
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({ code: 'IDENTITY_EXPIRED' })
})

test.each<[string, object, number]>([
  ['expires_in as text', { expires_in: '60' }, 60_000],
  ['expires_in as number', { expires_in: 60 }, 60_000],
  ['expires_on as a date', { expires_on: '1/20/2026 9:06:00 AM +00:00' }, 60_000],
  ['the year 9999', { expires_on: '253402300799' }, 3_600_000],
  ['an empty text', { expires_on: '', expires_in: '' }, 3_600_000],
  ['nothing', {}, 3_600_000],
  ['refresh_in, a hint only', { refresh_in: '5' }, 3_600_000],
])('the end of a token whose reply holds %s', async (_what, fields, lifeMs) => {
  const body = JSON.stringify({ access_token: await maker.make(), ...fields })
  platform.script(IMDS_HOST, [{ status: 200, body }])

  const token = await source().token(signal)

  expect(token.expiresAt).toBe(clock.now() + lifeMs)
})

test("the workload-identity proxy's own answers are understood", async () => {
  const body = JSON.stringify({
    access_token: await maker.make(),
    expires_in: 3590,
    expires_on: '1800086399',
    not_before: '0',
  })
  platform.script(IMDS_HOST, [
    { status: 500, headers: { 'Content-Type': 'text/plain' }, body: 'failed to acquire token' },
    { status: 200, body },
  ])

  const token = await source().token(signal)

  expect(token.expiresAt).toBe(clock.now() + 3_590_000)
})

test('P9: a thousand clients that start together all get their token from a service that throttles', async () => {
  const shared = fakeClock()
  const jwt = await maker.make({ exp: undefined })
  const throttled = throttle(shared, {
    status: 200,
    headers: {},
    body: Buffer.from(JSON.stringify({ access_token: jwt })),
  })
  const clients = Array.from({ length: 1000 }, () =>
    source({ clock: shared, random: Math.random, send: throttled.send }).token(signal),
  )
  const all = Promise.allSettled(clients)

  for (let second = 0; second < 300; second++) await shared.advance(1000)

  expect((await all).filter(({ status }) => status === 'rejected')).toEqual([])
  expect(throttled.mostServedInASecond()).toBeLessThanOrEqual(20)
})

test('P2: an error holds neither the reply nor a token', async () => {
  const jwt = await maker.make()
  platform.script(IMDS_HOST, [
    { fault: { status: 200, body: JSON.stringify({ token: jwt }) }, times: 1000 },
  ])

  const error = await source({ budgetMs: 0 })
    .token(signal)
    .catch((error: unknown) => error)

  expect(JSON.stringify(error) + String(error)).not.toContain(jwt.slice(0, 20))
})

function source(overrides: Partial<AzureImdsOptions> = {}): ReturnType<typeof azureImds> {
  return azureImds({
    send: platform.send,
    clock,
    random: () => 0,
    budgetMs: 300_000,
    apiVersion: '2018-02-01',
    resource: 'https://management.azure.com/',
    ...overrides,
  })
}

/** A service that serves 20 requests a second and answers the others 429. */
function throttle(
  time: { now(): number },
  answer: HttpReply,
): { send: Send; mostServedInASecond: () => number } {
  const served = new Map<number, number>()
  return {
    send: () => {
      const second = Math.floor(time.now() / 1000)
      const count = (served.get(second) ?? 0) + 1
      if (count > 20) return Promise.resolve({ status: 429, headers: {}, body: Buffer.alloc(0) })
      served.set(second, count)
      return Promise.resolve(answer)
    },
    mostServedInASecond: () => Math.max(...served.values()),
  }
}
