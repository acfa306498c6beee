import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseXmsMirid } from '../../src/devserver/authn/azure.ts'
import { azureClaims, tokenMaker, type TokenMaker } from '../support/token-maker.ts'
import { TEST_TIME } from '../support/fake-clock.ts'
import { harness, issuerTable, lastCode } from './harness.ts'

const provider = 'https://sts.windows.net/tenant/'
const login = '/authn-azure/prod/acme/host%2Fapps%2Fweb/authenticate'
const system = azureClaims({
  xms_mirid:
    '/subscriptions/sub-1/resourcegroups/rg-1/providers/Microsoft.Compute/virtualMachines/vm-1',
  oid: 'oid-1',
})
const user = azureClaims({
  xms_mirid:
    '/subscriptions/sub-1/resourcegroups/rg-1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-1',
})
const coarse = { 'authn-azure/subscription-id': 'sub-1', 'authn-azure/resource-group': 'rg-1' }

describe('authn-azure', () => {
  let maker: TokenMaker

  beforeAll(async () => {
    maker = await tokenMaker({ issuer: provider, jwksUri: 'https://sts.windows.net/keys' })
  })

  const attempt = async (asked: {
    claims?: Record<string, unknown>
    annotations?: Record<string, string>
    providerUri?: string | undefined
    discovery?: Record<string, unknown>
    path?: string
    form?: string
  }): Promise<{ status: number; code: string | undefined; body: string; explained: string }> => {
    await using rig = await harness({
      policy: policyWith(asked.annotations ?? coarse),
      values: { 'conjur/authn-azure/prod/provider-uri': asked.providerUri ?? provider },
      askIssuer: issuerTable({
        'https://sts.windows.net/tenant//.well-known/openid-configuration':
          asked.discovery ?? maker.discovery,
        'https://sts.windows.net/keys': maker.jwks,
      }),
    })
    const form = asked.form ?? `jwt=${await maker.make(asked.claims ?? system)}`
    const reply = await rig.authenticate(asked.path ?? login, form)
    const code = reply.status === 200 ? undefined : lastCode(rig.log)
    return { status: reply.status, code, body: reply.text(), explained: rig.explained.join('\n') }
  }

  test.each<[what: string, asked: Parameters<typeof attempt>[0]]>([
    ['subscription and group alone, for either kind of identity', {}],
    ['the same for a user-assigned identity', { claims: user }],
    [
      'a user-assigned identity by its name',
      { claims: user, annotations: { ...coarse, 'authn-azure/user-assigned-identity': 'id-1' } },
    ],
    [
      'a system-assigned identity by its object id',
      { annotations: { ...coarse, 'authn-azure/system-assigned-identity': 'oid-1' } },
    ],
    [
      'an annotation for this service, which beats the general one',
      {
        annotations: {
          ...coarse,
          'authn-azure/resource-group': 'other',
          'authn-azure/prod/resource-group': 'rg-1',
        },
      },
    ],
    [
      'an empty annotation, which does not count',
      { annotations: { ...coarse, 'authn-azure/user-assigned-identity': '' } },
    ],
    ['a provider-uri without its slash', { providerUri: 'https://sts.windows.net/tenant' }],
    ['any audience', { claims: { ...system, aud: 'https://vault.azure.net' } }],
    ['a token without exp', { claims: { ...system, exp: undefined } }],
    ['an iat that lies ahead', { claims: { ...system, iat: Math.floor(TEST_TIME / 1000) + 999 } }],
    [
      'xms_mirid without its first slash',
      { claims: { ...system, xms_mirid: String(system['xms_mirid']).slice(1) } },
    ],
  ])('logs in with %s', async (_what, asked) => {
    const reply = await attempt(asked)

    expect(reply).toMatchObject({ status: 200 })
  })

  test.each<[what: string, code: string, asked: Parameters<typeof attempt>[0]]>([
    [
      'another subscription',
      'CONJ00049E',
      { annotations: { ...coarse, 'authn-azure/subscription-id': 'sub-2' } },
    ],
    [
      'another group, which differs in case alone',
      'CONJ00049E',
      { annotations: { ...coarse, 'authn-azure/resource-group': 'RG-1' } },
    ],
    [
      'a system-assigned token where a user-assigned one is asked for',
      'CONJ00049E',
      { annotations: { ...coarse, 'authn-azure/user-assigned-identity': 'vm-1' } },
    ],
    [
      'a user-assigned token where a system-assigned one is asked for',
      'CONJ00049E',
      { claims: user, annotations: { ...coarse, 'authn-azure/system-assigned-identity': 'oid-1' } },
    ],
    [
      'a host without subscription',
      'CONJ00057E',
      { annotations: { 'authn-azure/resource-group': 'rg-1' } },
    ],
    [
      'a host without any annotation of this authenticator',
      'CONJ00057E',
      { annotations: { 'authn-azure/other/subscription-id': 'x' } },
    ],
    [
      'an annotation nobody knows',
      'CONJ00050E',
      { annotations: { ...coarse, 'authn-azure/tenant': 'x' } },
    ],
    [
      'both kinds of identity',
      'CONJ00055E',
      {
        annotations: {
          ...coarse,
          'authn-azure/user-assigned-identity': 'a',
          'authn-azure/system-assigned-identity': 'b',
        },
      },
    ],
    ['no xms_mirid', 'CONJ00051E', { claims: { ...system, xms_mirid: undefined } }],
    ['no oid', 'CONJ00051E', { claims: { ...system, oid: undefined } }],
    ['an empty xms_mirid', 'CONJ00053E', { claims: { ...system, xms_mirid: '' } }],
    [
      'resourceGroups in the wrong case',
      'CONJ00053E',
      {
        claims: {
          ...system,
          xms_mirid: String(system['xms_mirid']).replace('resourcegroups', 'resourceGroups'),
        },
      },
    ],
    [
      'a slot of an App Service',
      'CONJ00054E',
      { claims: { ...system, xms_mirid: `${String(system['xms_mirid'])}/slots/blue` } },
    ],
    [
      'a v2.0 issuer',
      'CONJ00035E',
      { claims: { ...system, iss: 'https://login.microsoftonline.com/tenant/v2.0' } },
    ],
    [
      'a discovery document without algorithms',
      'CONJ00035E',
      { discovery: { jwks_uri: 'https://sts.windows.net/keys' } },
    ],
    ['a provider that is away', 'CONJ00011E', { providerUri: 'https://away.example.com/' }],
    ['a body that is no token', 'CONJ00077E', { form: 'jwt=a.b' }],
    [
      'a service nobody declared',
      'CONJ00004E',
      { path: '/authn-azure/nope/acme/host%2Fapps%2Fweb/authenticate' },
    ],
    [
      'the account in place of the service',
      'CONJ00008E',
      { path: '/authn-azure/prod/acme/authenticate' },
    ],
  ])('%s is refused with %s', async (_what, code, asked) => {
    const reply = await attempt(asked)

    expect(reply).toMatchObject({ status: 401, code, body: '' })
  })

  test('an empty body is 400', async () => {
    const reply = await attempt({ form: '' })

    expect(reply).toMatchObject({ status: 400, code: 'CONJ00009E', body: '' })
  })

  test('the first login after a rotation of keys fails, the second passes', async () => {
    const rotated = await tokenMaker({
      issuer: provider,
      kid: 'key-2',
      jwksUri: 'https://sts.windows.net/keys',
    })
    let keys = maker.jwks
    await using rig = await harness({
      policy: policyWith(coarse),
      values: { 'conjur/authn-azure/prod/provider-uri': provider },
      askIssuer: async (address) => ({
        status: 200,
        body: JSON.stringify(address.endsWith('/keys') ? keys : maker.discovery),
      }),
    })
    await rig.authenticate(login, `jwt=${await maker.make(system)}`)

    keys = rotated.jwks
    const first = await rig.authenticate(login, `jwt=${await rotated.make(system)}`)
    const second = await rig.authenticate(login, `jwt=${await rotated.make(system)}`)

    expect(first.status).toBe(401)
    expect(second.status).toBe(200)
  })

  test('xms_mirid is taken apart whatever its names are, as long as none holds a key word', () => {
    const name = fc
      .stringMatching(/^[a-z0-9-]{1,20}$/)
      .filter((text) => !/subscriptions|resourcegroups|providers/.test(text))

    fc.assert(
      fc.property(name, name, name, (subscription, resourceGroup, machine) => {
        const text = `/subscriptions/${subscription}/resourcegroups/${resourceGroup}/providers/N/T/${machine}`

        expect(parseXmsMirid(text)).toEqual({
          subscription,
          resourceGroup,
          provider: ['N', 'T', machine],
        })
      }),
    )
  })
})

function policyWith(annotations: Record<string, string>): string {
  return `
- !policy
  id: conjur/authn-azure/prod
  body:
  - !webservice
  - !variable provider-uri
  - !group clients
  - !permit
    role: !group clients
    privileges: [ read, authenticate ]
    resource: !webservice
- !policy
  id: apps
  body:
  - !host
    id: web
    annotations:
${Object.entries(annotations)
  .map(([name, value]) => `      ${name}: "${value}"`)
  .join('\n')}
- !grant
  role: !group conjur/authn-azure/prod/clients
  member: !host apps/web
`
}
