import { afterEach, beforeEach, expect, test } from 'vitest'

import type { IdentityError } from '../../src/core/errors.ts'
import { gcpMetadata, type GcpMetadataOptions } from '../../src/identity/gcp-metadata.ts'
import { hastyClock, type FakeClock } from '../support/fake-clock.ts'
import { GCP_HOST, simulatedGcp } from '../support/platform-simulator/gcp.ts'
import { startPlatform, type Platform, type Reply } from '../support/platform-simulator/platform.ts'
import { tokenMaker } from '../support/token-maker.ts'

const maker = await tokenMaker({ issuer: 'https://accounts.google.com' })
const signal = new AbortController().signal

let clock: FakeClock
let platform: Platform

beforeEach(async () => {
  clock = hastyClock()
  const endpoint = simulatedGcp({ tokenFor: (aud, format) => maker.make({ aud, format }) })
  platform = await startPlatform({ [GCP_HOST]: endpoint, '127.0.0.1:8083': endpoint }, clock)
})

afterEach(async () => {
  expect(platform.violations).toEqual([])
  await platform.close()
})

test('the audience is encoded once, and the full format is asked for', async () => {
  const token = await source().token(signal)

  expect(token.claims).toMatchObject({ aud: 'conjur/acme/host/apps/web', format: 'full' })
  expect(platform.requests[0]?.target).toBe(
    '/computeMetadata/v1/instance/service-accounts/default/identity?audience=conjur%2Facme%2Fhost%2Fapps%2Fweb&format=full',
  )
})

test('GCE_METADATA_HOST moves it to a loopback host', async () => {
  await source({ host: '127.0.0.1:8083' }).token(signal)

  expect(platform.requests[0]?.host).toBe('127.0.0.1:8083')
})

test.each(['metadata.example.com', '10.0.0.1', 'user@169.254.169.254.example.com', ':'])(
  'P8: %s is refused',
  (host) => {
    expect(() => source({ host })).toThrow('is no place for a metadata server')
  },
)

test("an answer without Google's header is refused: something else answers", async () => {
  platform.script(GCP_HOST, [{ status: 200, body: await maker.make() }])

  const error = await failure()

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: expect.stringContaining('lacks Metadata-Flavor'),
  })
})

test('a pod whose identity is being set up is waited for, then none is attached', async () => {
  platform.script(GCP_HOST, [{ fault: { status: 404 }, times: 100 }])

  const error = await failure()

  expect(clock.waits).toEqual([1000, 2000, 4000, 8000, 8000, 8000, 8000])
  expect(error).toMatchObject({ code: 'IDENTITY_ABSENT', retryable: false })
})

test.each<[number, Reply]>([
  [400, { status: 400, body: 'non-empty audience parameter required' }],
  [403, { status: 403 }],
])('%i is refused at once', async (_status, fault) => {
  platform.script(GCP_HOST, [fault])

  const error = await failure()

  expect(error).toMatchObject({ code: 'IDENTITY_REFUSED', retryable: false })
  expect(platform.requests).toHaveLength(1)
})

test('a machine that starts is asked soon and then less often', async () => {
  platform.script(GCP_HOST, [
    { fault: 'refused', times: 2 },
    { fault: { status: 503 }, times: 6 },
  ])

  await source().token(signal)

  expect(clock.waits).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000])
})

function source(overrides: Partial<GcpMetadataOptions> = {}): ReturnType<typeof gcpMetadata> {
  return gcpMetadata({
    send: platform.send,
    clock,
    random: () => 0,
    audience: 'conjur/acme/host/apps/web',
    ...overrides,
  })
}

function failure(): Promise<IdentityError> {
  return source()
    .token(signal)
    .then(
      () => Promise.reject(new Error('there was a token')),
      (error: IdentityError) => error,
    )
}
