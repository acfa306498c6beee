import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { assemble, type Assembly } from '../../src/agent/assemble.ts'
import { systemClock } from '../../src/agent/clock.ts'
import type { Retrieved } from '../../src/agent/cycle.ts'
import { loadConfig } from '../../src/config/load.ts'
import { Secret } from '../../src/core/secret.ts'
import { hollow, testCa } from '../support/certificate.ts'
import { loopbackServer } from '../support/loopback-server.ts'
import { accessTokenJson } from '../support/scripted-send.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { tokenMaker } from '../support/token-maker.ts'

const VALUE = '/secrets/acme/variable/app%2Fuser'
const END = '2030-01-01T00:00:00.000+00:00'

async function assembled(environment: Record<string, string>): Promise<Assembly> {
  const none = { flags: {}, annotations: undefined, file: undefined }
  const config = await loadConfig({ ...none, mode: 'sidecar', environment })
  return assemble(config, {
    clock: systemClock,
    random: () => 0,
    environment,
    identityRetry: () => undefined,
    measured: (_operation, send) => send,
    reloaded: () => undefined,
    switched: () => undefined,
  })
}

/** What one reading asks and gives, of a Conjur whose list of variables answers with a status. */
async function reading(
  environment: Record<string, string>,
  listStatus = 200,
): Promise<{ readonly asked: readonly string[]; readonly retrieved: Retrieved }> {
  const asked: string[] = []
  const ca = await testCa()
  const variables = ['app/user', 'other'].map((id) => ({
    id: `acme:variable:${id}`,
    secrets: [{ version: 1, expires_at: END }],
  }))
  await using server = await loopbackServer(
    (request, response) => {
      const path = request.url?.split('?')[0] ?? ''
      asked.push(path)
      const isList = path.startsWith('/resources')
      response.writeHead(isList ? listStatus : 200, { 'content-type': 'application/json' })
      response.end(isList ? JSON.stringify(variables) : 'web')
    },
    await ca.issue(),
  )
  const assembly = await assembled({
    CONJUR_APPLIANCE_URL: server.url.origin,
    CONJUR_SSL_CERTIFICATE: ca.cert,
    CONJUR_ACCOUNT: 'acme',
    CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
    CONJUR_SECRETS__DB: '- app/user',
    ...environment,
  })
  const token = { secret: new Secret('{}'), lifetimeMs: 480_000, login: 'host/app' }
  const retrieved = await assembly.stages.retrieve(token, new AbortController().signal)
  await assembly.close()
  return { asked, retrieved }
}

test('Conjur is not asked when values end unless that is wanted', async () => {
  const { asked, retrieved } = await reading({})

  expect(asked).toEqual([VALUE])
  expect(retrieved.expiries).toBeUndefined()
})

test('with refreshBeforeExpiry one more request tells when the wanted values end', async () => {
  const { asked, retrieved } = await reading({ CONJUR_REFRESH_BEFORE_EXPIRY: 'true' })

  expect(asked).toEqual([VALUE, '/resources/acme/variable'])
  expect(retrieved.expiries).toEqual([Date.parse(END)])
  expect(retrieved.listed).toBeUndefined()
})

test('P3 values arrive where Conjur does not say when they end', async () => {
  const { retrieved } = await reading({ CONJUR_REFRESH_BEFORE_EXPIRY: 'true' }, 403)

  expect(retrieved.outcomes.get('app/user')?.kind).toBe('value')
  expect(retrieved.expiries).toBeUndefined()
})

test.each([
  { CONJUR_SECRETS_REFRESH_ENABLED: 'false' },
  { CONJUR_SECRETS_REFRESH_INTERVAL: 'off' },
])('with %j nothing is asked that would not be used', async (off) => {
  const { asked } = await reading({ ...off, CONJUR_REFRESH_BEFORE_EXPIRY: 'true' })

  expect(asked).toEqual([VALUE])
})

test('while the platform answers, the connection is opened by which its answer goes on to Conjur', async () => {
  const ca = await testCa()
  const jwt = await (await tokenMaker({ now: Date.now })).make()
  const seconds = Date.now() / 1000
  const token = accessTokenJson({ iat: seconds, sub: 'host/app', exp: seconds + 480 })
  let connections = 0
  const conjur = createServer(await ca.issue(), (_request, response) => response.end(token))
  const connected = once(
    conjur.on('connection', () => connections++),
    'secureConnection',
  )
  conjur.listen(0, '127.0.0.1')
  await once(conjur, 'listening')
  const address = conjur.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  // It answers when Conjur has a connection, and not before.
  await using platform = await loopbackServer((_request, response) => {
    void connected.then(() => response.end(JSON.stringify({ access_token: jwt })))
  })
  const environment = {
    CONJUR_APPLIANCE_URL: `https://127.0.0.1:${port}`,
    CONJUR_SSL_CERTIFICATE: ca.cert,
    CONJUR_ACCOUNT: 'acme',
    CONJUR_AUTHENTICATOR: 'authn-azure/prod',
    CONJUR_AUTHN_LOGIN: 'host/app',
    IDENTITY_ENDPOINT: `${platform.url.origin}/msi/token`,
    IDENTITY_HEADER: 'h',
  }
  const { stages, close } = await assembled(environment)
  const signal = new AbortController().signal

  const credential = await stages.identity.token(signal)
  const { login } = await stages.authenticate(credential, signal)

  expect(login).toBe('host/app')
  expect(connections).toBe(1)
  await close()
  conjur.close()
})

test('P6 a CA file that is broken inside is what is told of a login that trusts nobody', async () => {
  const ca = await testCa()
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'ca.pem')
  await writeFile(file, hollow(ca.cert))
  await using server = await loopbackServer(
    (_request, response) => response.end(),
    await ca.issue(),
  )
  const { stages, close } = await assembled({
    CONJUR_APPLIANCE_URL: server.url.origin,
    CONJUR_CERT_FILE: file,
    CONJUR_ACCOUNT: 'acme',
    CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
  })
  const credential = { kind: 'api-key', secret: new Secret('key') } as const

  const login = stages.authenticate(credential, new AbortController().signal)

  await expect(login).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE' })
  await close()
})
