import { afterEach, beforeEach, expect, test } from 'vitest'

import type { IdentityError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import {
  azureAppService,
  type AzureAppServiceOptions,
} from '../../src/identity/azure-app-service.ts'
import { hastyClock, type FakeClock } from '../support/fake-clock.ts'
import { simulatedAppService } from '../support/platform-simulator/app-service.ts'
import type { ManagedIdentity } from '../support/platform-simulator/imds.ts'
import { startPlatform, type Fault, type Platform } from '../support/platform-simulator/platform.ts'
import { azureClaims, tokenMaker } from '../support/token-maker.ts'

const HOST = 'localhost:42356'
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
let attached: readonly ManagedIdentity[]
let header: string

beforeEach(async () => {
  clock = hastyClock()
  attached = [SYSTEM, WEB]
  header = 'header-1'
  const endpoint = simulatedAppService({
    header: () => header,
    identities: () => attached,
    tokenFor: ({ clientId }) => maker.make(azureClaims({ appid: clientId })),
  })
  platform = await startPlatform({ [HOST]: endpoint }, clock)
})

afterEach(async () => {
  expect(platform.violations).toEqual([])
  await platform.close()
})

test("the endpoint's own query is kept, ours is added", async () => {
  await source().token(signal)

  expect(platform.requests[0]?.target).toBe(
    '/msi/token?own=1&api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com%2F',
  )
})

test.each([
  [undefined, 'c-sys'],
  [{ kind: 'clientId', value: 'c-web' }, 'c-web'],
  [{ kind: 'objectId', value: 'o-web' }, 'c-web'],
  [{ kind: 'resourceId', value: '/r/web' }, 'c-web'],
] as const)('%o chooses an identity', async (selector, clientId) => {
  const token = await source({ selector }).token(signal)

  expect(token.claims['appid']).toBe(clientId)
})

test('the protocol of 2017 has its own header, selector and date', async () => {
  const token = await source({
    protocol: '2017-09-01',
    selector: { kind: 'clientId', value: 'c-web' },
  }).token(signal)

  expect(token.claims['appid']).toBe('c-web')
  expect(platform.requests[0]?.query.get('clientid')).toBe('c-web')
})

test('the protocol of 2017 selects by nothing but the client id', () => {
  expect(() =>
    source({ protocol: '2017-09-01', selector: { kind: 'objectId', value: 'o' } }),
  ).toThrow('the identity endpoint of 2017 knows an identity by its client id only')
})

test('P10: the header is asked for at each request, since the platform rotates it', async () => {
  let ours = 'header-1'
  const appService = source({ header: () => new Secret(ours) })
  await appService.token(signal)
  header = 'header-2'
  ours = 'header-2'

  const token = await appService.token(signal)

  expect(token.claims['appid']).toBe('c-sys')
})

test('a header that stays wrong is refused after one more try, with the cure', async () => {
  header = 'rotated'

  const error = await failure()

  expect(clock.waits).toEqual([5000])
  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: 'the identity endpoint at localhost:42356 does not accept IDENTITY_HEADER (401)',
    hint: expect.stringMatching(/^restart this container/),
    retryable: false,
  })
})

test('a sidecar that is up after 8 s is waited for', async () => {
  platform.script(HOST, [{ fault: 'refused', forMs: 8000 }])

  await source().token(signal)

  expect(clock.waits).toEqual([1000, 2000, 4000, 8000])
})

test('a sidecar that never comes is given up after a minute', async () => {
  platform.script(HOST, [{ fault: 'refused', times: 1000 }])

  const error = await failure()

  expect(error).toMatchObject({ code: 'IDENTITY_ABSENT', retryable: true })
  expect(clock.waits.reduce((sum, wait) => sum + wait, 0)).toBeLessThanOrEqual(60_000)
})

test('an identity that is not assigned is IDENTITY_ABSENT at once', async () => {
  attached = [WEB]

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_ABSENT',
    message: 'no managed identity is assigned to this app',
  })
  expect(platform.requests).toHaveLength(1)
})

test('a resource that nobody knows is asked for six times', async () => {
  const error = await failure({ resource: 'https://unknown.example.com/' })

  expect(platform.requests).toHaveLength(6)
  expect(error).toMatchObject({
    code: 'IDENTITY_NOT_READY',
    hint: expect.stringContaining('CONJUR_AUTHN_AZURE_RESOURCE'),
  })
})

test.each<[Fault, string]>([
  [{ status: 404 }, 'IDENTITY_REFUSED'],
  [{ status: 405 }, 'IDENTITY_REFUSED'],
  [{ status: 302, headers: { Location: '/' } }, 'IDENTITY_REFUSED'],
])('%o is final', async (fault, code) => {
  platform.script(HOST, [fault])

  const error = await failure()

  expect(error).toMatchObject({ code, retryable: false })
})

test.each([408, 429, 502, 503, 504])('%i is waited out', async (status) => {
  platform.script(HOST, [{ fault: { status }, times: 2 }])

  await source().token(signal)

  expect(clock.waits).toEqual([1000, 2000])
})

test.each(['https://identity.example.com/msi', 'http://8.8.8.8/msi', 'ftp://127.0.0.1/'])(
  'P8: %s is no place for an identity endpoint',
  (endpoint) => {
    expect(() => source({ endpoint: new URL(endpoint) })).toThrow(
      /is no place for an identity endpoint/,
    )
  },
)

test.each([
  'http://172.16.4.2:8081/msi/token',
  'http://169.254.130.2:8081/msi/token',
  'http://127.0.0.1:41000/msi/token/',
])('%s is one', (endpoint) => {
  expect(source({ endpoint: new URL(endpoint) }).name).toBe('azure-app-service')
})

function source(
  overrides: Partial<AzureAppServiceOptions> = {},
): ReturnType<typeof azureAppService> {
  return azureAppService({
    send: platform.send,
    clock,
    random: () => 0,
    endpoint: new URL(`http://${HOST}/msi/token?own=1`),
    header: () => new Secret('header-1'),
    protocol: '2019-08-01',
    resource: 'https://management.azure.com/',
    ...overrides,
  })
}

function failure(overrides: Partial<AzureAppServiceOptions> = {}): Promise<IdentityError> {
  return source(overrides)
    .token(signal)
    .then(
      () => Promise.reject(new Error('there was a token')),
      (error: IdentityError) => error,
    )
}
