import { expect, test } from 'vitest'
import { readGiven } from '../../src/config/given.ts'
import { startDevserver } from '../../src/devserver/server.ts'
import { examine } from '../../src/doctor/examine.ts'
import { operatorTokenIn, createTools } from '../../src/doctor/tools.ts'
import type { StepResult } from '../../src/doctor/report.ts'
import { loopbackServer, type LoopbackServer } from '../support/loopback-server.ts'
import { azureClaims } from '../support/token-maker.ts'
import { adminTokenFile, startIssuer, type IssuerOptions } from './bench.ts'

const policyWith = (resourceGroup: string): string => `
- !policy
  id: conjur/authn-azure/prod
  body:
    - !webservice
    - !webservice status
    - !variable provider-uri
    - !group workloads
    - !permit
      role: !group workloads
      privileges: [ read, authenticate ]
      resource: !webservice
- !policy
  id: apps
  body:
    - !host
      id: web
      annotations:
        authn-azure/subscription-id: 5a5a5a5a-2222-4b4b-9c9c-000000000002
        authn-azure/resource-group: ${resourceGroup}
        authn-azure/system-assigned-identity: 9d9d9d9d-4444-4f4f-9a9a-000000000004
- !grant
  role: !group conjur/authn-azure/prod/workloads
  member: !host apps/web
`

interface Machine {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly issuer?: IssuerOptions
  readonly resourceGroup?: string
  readonly providerUri?: string
  /** What the metadata service answers in place of a token. */
  readonly refusal?: { readonly status: number; readonly description: string }
}

/** Runs doctor on a simulated Azure machine; the steps by name. */
async function examineAzure(machine: Machine = {}): Promise<Readonly<Record<string, StepResult>>> {
  await using issuer = await startIssuer({ path: '/tenant/', ...machine.issuer })
  const token = await issuer.make(azureClaims(machine.claims))
  await using metadata = await metadataService(token, machine.refusal)
  const conjur = await startDevserver({
    account: 'acme',
    policy: policyWith(machine.resourceGroup ?? 'rg-web'),
    values: { 'conjur/authn-azure/prod/provider-uri': machine.providerUri ?? issuer.issuer },
  })
  const operator = await adminTokenFile(conjur)
  const given = await readGiven({
    flags: {},
    environment: {
      CONJUR_APPLIANCE_URL: conjur.url,
      CONJUR_ACCOUNT: 'acme',
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      CONJUR_AUTHN_LOGIN: 'host/apps/web',
      CONJUR_SSL_CERTIFICATE: conjur.ca,
      AZURE_POD_IDENTITY_AUTHORITY_HOST: metadata.url.origin,
    },
  })
  const { tools, close } = createTools({
    given,
    timeoutMs: 2000,
    operatorToken: await operatorTokenIn(operator),
  })
  const listener = { started: () => undefined, finished: () => undefined }
  const { signal } = new AbortController()
  const steps = await examine({ tools, until: 'login', listener, signal })
  await Promise.all([close(), conjur.close()])
  return Object.fromEntries(steps.map((step) => [step.id, step]))
}

function metadataService(token: string, refusal: Machine['refusal']): Promise<LoopbackServer> {
  return loopbackServer((_request, response) => {
    response.statusCode = refusal?.status ?? 200
    response.end(
      JSON.stringify(
        refusal === undefined
          ? { access_token: token, expires_in: '86399', token_type: 'Bearer' }
          : { error: 'invalid_request', error_description: refusal.description },
      ),
    )
  })
}

test('a managed identity that Conjur knows passes every step', async () => {
  const { token, login } = await examineAzure()

  expect(token).toMatchObject({ outcome: 'passed', facts: { source: 'azure-imds', alg: 'RS256' } })
  expect(login).toMatchObject({
    outcome: 'passed',
    message: 'host/apps/web, access token for 8 min',
  })
})

test('a resource group in the wrong case is shown beside the claim', async () => {
  const { login } = await examineAzure({ resourceGroup: 'RG-Web' })

  expect(login?.left).toEqual([
    expect.objectContaining({
      what: 'annotation authn-azure/resource-group is "RG-Web", the token says "rg-web"; only the letter case differs',
    }),
  ])
})

test('a v2.0 token is named at the token, first among what is left, and cured', async () => {
  const { token, login } = await examineAzure({
    issuer: { path: '/tenant/v2.0' },
    claims: { ver: '2.0' },
  })

  expect(token).toMatchObject({ outcome: 'degraded', code: 'IDENTITY_UNFIT' })
  expect(login?.left?.[0]?.what).toMatch(
    /^the token itself: iss .*\/v2\.0: a v2\.0 token never passes authn-azure$/,
  )
  expect(login?.hint).toMatch(
    /CONJUR_AUTHN_AZURE_RESOURCE=https:\/\/management\.azure\.com\/.*authn-jwt/,
  )
})

test('an app registration is told to use authn-jwt', async () => {
  const { token, login } = await examineAzure({ claims: { xms_mirid: undefined } })

  expect(token?.lines).toEqual([
    'no xms_mirid: this is no managed identity, an app registration for instance',
  ])
  expect(login?.hint).toMatch(/use authn-jwt instead/)
})

test('a provider-uri of another tenant is proven', async () => {
  const { login } = await examineAzure({ providerUri: 'https://sts.windows.net/other/' })

  expect(login?.left?.[0]?.what).toMatch(
    /^variable conjur\/authn-azure\/prod\/provider-uri is not the token's iss "/,
  )
})

test.each([
  ['no identity', 'Identity not found', 'IDENTITY_ABSENT', /az vm identity assign/],
  [
    'several identities',
    'Multiple user assigned identities exist, please specify one',
    'IDENTITY_REFUSED',
    /CONJUR_AUTHN_AZURE_CLIENT_ID/,
  ],
])('a machine with %s is told so, and how to go on', async (_, description, code, hint) => {
  const { token, login } = await examineAzure({ refusal: { status: 400, description } })

  expect(token).toMatchObject({ outcome: 'failed', code, hint: expect.stringMatching(hint) })
  expect(login).toMatchObject({ outcome: 'skipped', message: 'not tried: no platform token' })
})
