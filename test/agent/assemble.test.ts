import { expect, test } from 'vitest'
import { assemble } from '../../src/agent/assemble.ts'
import { systemClock } from '../../src/agent/clock.ts'
import type { Retrieved } from '../../src/agent/cycle.ts'
import { loadConfig } from '../../src/config/load.ts'
import { Secret } from '../../src/core/secret.ts'
import { testCa } from '../support/certificate.ts'
import { loopbackServer } from '../support/loopback-server.ts'

const VALUE = '/secrets/acme/variable/app%2Fuser'
const END = '2030-01-01T00:00:00.000+00:00'

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
  const config = await loadConfig({
    flags: {},
    annotations: undefined,
    file: undefined,
    mode: 'sidecar',
    environment: {
      CONJUR_APPLIANCE_URL: server.url.origin,
      CONJUR_SSL_CERTIFICATE: ca.cert,
      CONJUR_ACCOUNT: 'acme',
      CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
      CONJUR_SECRETS__DB: '- app/user',
      ...environment,
    },
  })
  const assembly = assemble(config, {
    clock: systemClock,
    random: () => 0,
    environment: {},
    identityRetry: () => undefined,
    measured: (_operation, send) => send,
    reloaded: () => undefined,
    switched: () => undefined,
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
