import { expect, test } from 'vitest'
import { claimAt, findingsOf, readMirid } from '../../src/identity/claims.ts'
import { compareAnnotations } from '../../src/doctor/compare.ts'
import { azureClaims, serviceAccountClaims } from '../support/token-maker.ts'

const header = { alg: 'RS256', kid: 'k' }
const V1 = { ...azureClaims(), iss: 'https://sts.windows.net/t/', exp: 2_000_000_000 }
const MIRID = '/subscriptions/s/resourcegroups/rg/providers/Microsoft.Compute/virtualMachines/vm'

test('a claim is looked up as a whole name first, then level by level', () => {
  const claims = { 'a/b': 'whole', a: { b: 'deep' }, c: { d: 'deep' } }

  expect([claimAt(claims, 'a/b'), claimAt(claims, 'c/d'), claimAt(claims, 'c/e')]).toEqual([
    'whole',
    'deep',
    undefined,
  ])
})

test.each<[string, Record<string, unknown>, RegExp]>([
  [
    'a v2.0 issuer',
    { iss: 'https://login.microsoftonline.com/t/v2.0' },
    /v2\.0 token never passes authn-azure/,
  ],
  ['version 2.0', { ver: '2.0' }, /v2\.0 token/],
  ['no slash at the end', { iss: 'https://sts.windows.net/t' }, /has no slash at its end/],
  ['no xms_mirid', { xms_mirid: undefined }, /no xms_mirid/],
  ['no oid', { oid: undefined }, /no oid/],
  [
    'a deployment slot',
    {
      xms_mirid: '/subscriptions/s/resourcegroups/rg/providers/Microsoft.Web/sites/web/slots/blue',
    },
    /exactly three parts/,
  ],
  [
    'another spelling',
    { xms_mirid: MIRID.replace('resourcegroups', 'resourceGroups') },
    /spells resourcegroups as resourceGroups/,
  ],
  [
    'a key word inside a name',
    { xms_mirid: MIRID.replace('/rg/', '/my-providers-rg/') },
    /takes for a key word/,
  ],
])('a token that authn-azure never takes: %s', (_, claims, what) => {
  const [first] = findingsOf({ header, claims: { ...V1, ...claims } }, 'authn-azure')

  expect(first).toMatchObject({ what: expect.stringMatching(what), isFatal: true })
  expect(first?.cure).toMatch(/authn-jwt/)
})

test('a good Azure token has nothing to find', () => {
  expect(findingsOf({ header, claims: V1 }, 'authn-azure')).toEqual([])
})

test('a good service-account token has nothing to find', () => {
  const claims = { iss: 'https://oidc.example.com', exp: 1, ...serviceAccountClaims() }

  expect(findingsOf({ header, claims }, 'authn-jwt')).toEqual([])
})

test('xms_mirid is read with and without its first slash', () => {
  const expected = {
    subscription: 's',
    resourceGroup: 'rg',
    provider: ['Microsoft.Compute', 'virtualMachines', 'vm'],
    problem: undefined,
  }

  expect(readMirid(MIRID)).toEqual(expected)
  expect(readMirid(MIRID.slice(1))).toEqual(expected)
})

const jwt = { type: 'authn-jwt', serviceId: 'prod' }
const token = { header, claims: serviceAccountClaims({ admin: true }) }

test.each<[string, Record<string, string>, readonly string[]]>([
  ['fits', { 'authn-jwt/prod/kubernetes.io/namespace': 'shop' }, []],
  [
    'differs',
    { 'authn-jwt/prod/kubernetes.io/namespace': 'dev' },
    ['annotation authn-jwt/prod/kubernetes.io/namespace is "dev", the token says "shop"'],
  ],
  [
    'is about a claim that is not there',
    { 'authn-jwt/prod/azp': 'x' },
    ['annotation authn-jwt/prod/azp is "x"; the token has no such claim'],
  ],
  [
    'is about a claim that is no text',
    { 'authn-jwt/prod/admin': 'true' },
    ['annotation authn-jwt/prod/admin is "true", the token says true, which is no text'],
  ],
  [
    'is not allowed',
    { 'authn-jwt/prod/iss': 'x' },
    ['annotation authn-jwt/prod/iss is not allowed: iss is no claim to tell hosts apart by'],
  ],
])('an annotation of authn-jwt %s', (_, annotations, expected) => {
  expect(compareAnnotations(jwt, token, { annotations })).toEqual(expected)
})

test('enforced claims and aliases count', () => {
  const annotations = { 'authn-jwt/prod/ns': 'shop' }
  const lists = { aliases: 'ns:kubernetes.io/namespace', enforced: 'kubernetes.io/namespace, sub' }

  expect(compareAnnotations(jwt, token, { annotations, ...lists })).toEqual([
    'the host lacks annotation authn-jwt/prod/sub, which enforced-claims demands',
  ])
})

const azure = { type: 'authn-azure', serviceId: 'prod' }
const PLACE = {
  'authn-azure/subscription-id': '5a5a5a5a-2222-4b4b-9c9c-000000000002',
  'authn-azure/resource-group': 'rg-web',
}

test.each<[string, Record<string, string>, readonly string[]]>([
  ['fit', PLACE, []],
  [
    'name the resource group in another letter case',
    { ...PLACE, 'authn-azure/resource-group': 'RG-Web' },
    [
      'annotation authn-azure/resource-group is "RG-Web", the token says "rg-web"; only the letter case differs',
    ],
  ],
  [
    'lack the resource group',
    { 'authn-azure/subscription-id': PLACE['authn-azure/subscription-id'] },
    ['the host lacks annotation authn-azure/resource-group, which authn-azure demands'],
  ],
  [
    'name a user-assigned identity where the machine logs in',
    { ...PLACE, 'authn-azure/user-assigned-identity': 'id-web' },
    [
      `annotation authn-azure/user-assigned-identity is "id-web"; the token's identity is system-assigned`,
    ],
  ],
  [
    'are overruled by those of the service',
    { ...PLACE, 'authn-azure/prod/resource-group': 'other' },
    ['annotation authn-azure/prod/resource-group is "other", the token says "rg-web"'],
  ],
])('annotations of authn-azure %s', (_, annotations, expected) => {
  expect(compareAnnotations(azure, { header, claims: V1 }, { annotations })).toEqual(expected)
})
