import { afterAll, beforeAll, expect, test } from 'vitest'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CLIENT,
  EXCHANGE_AUDIENCE,
  simulateAzure,
  TENANT,
  type SimulatedAzure,
} from '../../src/demo/azure.ts'
import { simulateKubernetes, type SimulatedKubernetes } from '../../src/demo/kubernetes.ts'

let kubernetes: SimulatedKubernetes
let stranger: SimulatedKubernetes
let azure: SimulatedAzure
let directory = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'conjur-demo-test-'))
  kubernetes = await simulateKubernetes()
  stranger = await simulateKubernetes()
  azure = await simulateAzure(kubernetes)
})

afterAll(async () => {
  await Promise.all([azure.close(), kubernetes.close(), stranger.close()])
  await rm(directory, { recursive: true })
})

async function assertion(cluster: SimulatedKubernetes, audience: string): Promise<string> {
  const file = join(directory, 'token')
  await cluster.project(file, audience)
  return readFile(file, 'utf8')
}

function exchange(changes: Record<string, string>): Promise<Response> {
  return fetch(`${azure.entra.url}/${TENANT}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: CLIENT,
      scope: 'https://management.azure.com/.default',
      ...changes,
    }),
  })
}

test('Entra gives a v1.0 token for the federated token of its cluster', async () => {
  const reply = await exchange({ client_assertion: await assertion(kubernetes, EXCHANGE_AUDIENCE) })

  const { access_token } = (await reply.json()) as { access_token: string }
  const [, payload = ''] = access_token.split('.')
  expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
    iss: `${azure.entra.url}/${TENANT}/`,
    aud: 'https://management.azure.com/',
    ver: '1.0',
    xms_mirid: expect.stringContaining('Microsoft.ManagedIdentity'),
  })
})

test.each([
  [
    'another cluster',
    async () => ({ client_assertion: await assertion(stranger, EXCHANGE_AUDIENCE) }),
  ],
  ['another audience', async () => ({ client_assertion: await assertion(kubernetes, 'conjur') })],
  ['no token', async () => ({ client_assertion: 'nonsense' })],
  ['another client', async () => ({ client_id: 'other' })],
  ['no scope', async () => ({ scope: 'https://management.azure.com/' })],
])('Entra refuses %s', async (_, changes) => {
  const reply = await exchange({
    client_assertion: await assertion(kubernetes, EXCHANGE_AUDIENCE),
    ...(await changes()),
  })

  expect(reply.ok).toBe(false)
  expect(await reply.text()).toMatch(/AADSTS\d+/)
})

test.each([
  ['?api-version=2018-02-01&resource=https://management.azure.com/', { Metadata: 'true' }, 200],
  ['?api-version=2018-02-01&resource=https://management.azure.com/', {}, 400],
  ['?api-version=2017-01-01&resource=https://management.azure.com/', { Metadata: 'true' }, 400],
  ['?api-version=2018-02-01', { Metadata: 'true' }, 400],
])('the metadata service answers %s with %j by %i', async (query, headers, status) => {
  const reply = await fetch(`${azure.metadata.url}/metadata/identity/oauth2/token${query}`, {
    headers,
  })

  expect(reply.status).toBe(status)
})
