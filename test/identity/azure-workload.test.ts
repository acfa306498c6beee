import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { azureWorkload, type AzureWorkloadOptions } from '../../src/identity/azure-workload.ts'
import { hastyClock, type FakeClock } from '../support/fake-clock.ts'
import { aadError, simulatedEntra } from '../support/platform-simulator/entra.ts'
import { startPlatform, type Platform } from '../support/platform-simulator/platform.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { azureClaims, serviceAccountClaims, tokenMaker } from '../support/token-maker.ts'

const HOST = 'login.microsoftonline.com'
const TENANT = '0f1e2d3c-1111-4a4a-8b8b-000000000001'
const CLIENT = '7c7c7c7c-3333-4d4d-8e8e-000000000003'

const cluster = await tokenMaker({ issuer: 'https://oidc.example.com/c7/' })
const entra = await tokenMaker({ issuer: `https://sts.windows.net/${TENANT}/` })
const federated = serviceAccountClaims({ aud: ['api://AzureADTokenExchange'] })
const signal = new AbortController().signal

let clock: FakeClock
let platform: Platform
let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let tokenFile: string

beforeEach(async () => {
  clock = hastyClock()
  directory = await temporaryDirectory()
  tokenFile = join(directory.path, 'azure-identity-token')
  await writeFile(tokenFile, `${await cluster.make(federated)}\n`)
  const endpoint = simulatedEntra({
    tenantId: TENANT,
    clientId: CLIENT,
    federation: {
      issuer: cluster.issuer,
      subject: 'system:serviceaccount:shop:web',
      audience: 'api://AzureADTokenExchange',
      jwks: { keys: [...cluster.jwks.keys] },
    },
    token: (scope) => entra.make(azureClaims({ aud: scope.replace(/\/\.default$/, '') })),
    now: () => clock.now(),
  })
  platform = await startPlatform({ [HOST]: endpoint }, clock)
})

afterEach(async () => {
  expect(platform.violations).toEqual([])
  await platform.close()
  await directory[Symbol.asyncDispose]()
})

test.each(['https://login.microsoftonline.com/', 'https://login.microsoftonline.com'])(
  'the federated token is exchanged at %s for a token of Resource Manager',
  async (authorityHost) => {
    const token = await source({ authorityHost: new URL(authorityHost) }).token(signal)

    expect(token.claims).toMatchObject({
      iss: entra.issuer,
      ver: '1.0',
      aud: 'https://management.azure.com',
    })
    expect(platform.requests[0]?.path).toBe(`/${TENANT}/oauth2/v2.0/token`)
    expect(new URLSearchParams(platform.requests[0]?.body).get('scope')).toBe(
      'https://management.azure.com/.default',
    )
  },
)

test('P10: the federated token is read at each request', async () => {
  const azure = source()
  await azure.token(signal)
  const rotated = await cluster.make({ ...federated, jti: 'rotated' })
  await writeFile(tokenFile, rotated)

  await azure.token(signal)

  expect(new URLSearchParams(platform.requests[1]?.body).get('client_assertion')).toBe(rotated)
})

test('an assertion that expired on the way is read once more, at once', async () => {
  platform.script(HOST, [aadError(401, 'invalid_client', 700024, 'expired')])

  await source().token(signal)

  expect(clock.waits).toEqual([0])
  expect(platform.requests).toHaveLength(2)
})

test('an assertion that stays expired is refused with a hint to the file', async () => {
  platform.script(HOST, [{ fault: aadError(401, 'invalid_client', 700024, 'expired'), times: 10 }])

  const error = await source()
    .token(signal)
    .catch((error: unknown) => error)

  expect(platform.requests).toHaveLength(2)
  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: `Entra refuses client ${CLIENT}: the federated token is expired or not yet valid (401, AADSTS700024)`,
    hint: `see why ${tokenFile} is not renewed, and compare this node's clock (date -u)`,
    facts: { correlationId: '4e4e4e4e-0000-4000-8000-000000000000' },
  })
})

test('a federated credential may need minutes to spread; then it is refused', async () => {
  await writeFile(
    tokenFile,
    await cluster.make({ ...federated, sub: 'system:serviceaccount:shop:other' }),
  )

  const error = await source()
    .token(signal)
    .catch((error: unknown) => error)

  expect(clock.waits).toEqual([5000, 15_000, 30_000, 60_000])
  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: `Entra refuses client ${CLIENT}: no federated credential matches this service account (401, AADSTS700213)`,
    retryable: false,
  })
})

test.each([
  [70023, 'the federated token lives longer than Entra allows'],
  [700016, 'the tenant knows no such enabled client'],
  [90002, 'there is no such tenant'],
  [7000112, 'the tenant knows no such enabled client'],
  [70011, 'the tenant does not know the resource'],
  [500011, 'the tenant does not know the resource'],
  [1002012, 'the tenant does not know the resource'],
  [50013, "Entra rejects the federated token's signature"],
  [99999, 'invalid_request'],
])('AADSTS%i is refused at once', async (code, means) => {
  platform.script(HOST, [aadError(400, 'invalid_request', code, 'no')])

  const error = await source()
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: `Entra refuses client ${CLIENT}: ${means} (400, AADSTS${code})`,
    retryable: false,
  })
  expect(platform.requests).toHaveLength(1)
})

test('an issuer that Entra cannot reach is asked again slowly', async () => {
  platform.script(HOST, [
    { fault: aadError(400, 'invalid_request', 90061, 'unreachable'), times: 2 },
  ])

  await source().token(signal)

  expect(clock.waits).toEqual([15_000, 30_000])
})

test('throttling and outages are waited out, Retry-After included', async () => {
  platform.script(HOST, [
    { status: 429, headers: { 'Retry-After': '20' }, body: '{"error":"temporarily_unavailable"}' },
    { status: 503, body: '<html>' },
    'refused',
    { status: 400, body: '{"error":"temporarily_unavailable"}' },
  ])

  await source().token(signal)

  expect(clock.waits).toEqual([20_000, 2000, 4000, 8000])
})

test.each([
  [{ status: 302, headers: { Location: 'https://proxy.example.com' } }, /answers 302, a redirect/],
  [
    { status: 403, body: '<html>blocked</html>' },
    /answers 403 with HTML, which is not Entra's way/,
  ],
])('an intercepting proxy is named and not tried again', async (fault, message) => {
  platform.script(HOST, [fault])

  const error = await source()
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({ code: 'IDENTITY_REFUSED', message: expect.stringMatching(message) })
  expect(platform.requests).toHaveLength(1)
})

test('a missing federated token file is IDENTITY_ABSENT and nothing is sent', async () => {
  const azure = source({ tokenFile: join(directory.path, 'gone') })

  const error = await azure.token(signal).catch((error: unknown) => error)

  expect(error).toMatchObject({
    code: 'IDENTITY_ABSENT',
    hint: expect.stringContaining('AZURE_FEDERATED_TOKEN_FILE'),
  })
  expect(platform.requests).toEqual([])
})

test('an empty federated token file is IDENTITY_MALFORMED and nothing is sent', async () => {
  await writeFile(tokenFile, '')

  const error = await source()
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({ code: 'IDENTITY_MALFORMED', retryable: true })
  expect(platform.requests).toEqual([])
})

test('an expired federated token is not sent', async () => {
  await writeFile(tokenFile, await cluster.make({ ...federated, exp: clock.now() / 1000 - 1 }))

  const error = await source()
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({ code: 'IDENTITY_EXPIRED' })
  expect(platform.requests).toEqual([])
})

function source(overrides: Partial<AzureWorkloadOptions> = {}): ReturnType<typeof azureWorkload> {
  return azureWorkload({
    send: platform.send,
    clock,
    random: () => 0,
    budgetMs: 300_000,
    tokenFile,
    clientId: CLIENT,
    tenantId: TENANT,
    authorityHost: new URL(`https://${HOST}/`),
    resource: 'https://management.azure.com/',
    ...overrides,
  })
}
