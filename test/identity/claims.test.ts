import { expect, test } from 'vitest'
import {
  audienceOf,
  claimAt,
  findingsOf,
  nameOf,
  readMirid,
  textAt,
} from '../../src/identity/claims.ts'
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

const USE_JWT =
  'use authn-jwt instead: CONJUR_AUTHENTICATOR=authn-jwt/<service id>; conjur-agent policy --for jwt prints its policy'
const OTHER_RESOURCE =
  'set CONJUR_AUTHN_AZURE_RESOURCE=https://management.azure.com/, which answers with v1.0; else use authn-jwt/<service id>, with provider-uri set to that iss'

test.each<[Record<string, unknown>, string, string]>([
  [
    { iss: 'https://login.microsoftonline.com/t/v2.0' },
    'iss https://login.microsoftonline.com/t/v2.0: a v2.0 token never passes authn-azure',
    OTHER_RESOURCE,
  ],
  [
    { iss: 'https://login.microsoftonline.com/t/v2.0/' },
    'iss https://login.microsoftonline.com/t/v2.0/: a v2.0 token never passes authn-azure',
    OTHER_RESOURCE,
  ],
  [
    { iss: undefined, ver: '2.0' },
    'iss undefined: a v2.0 token never passes authn-azure',
    OTHER_RESOURCE,
  ],
  [{ iss: undefined }, 'no iss: authn-azure compares it with provider-uri', USE_JWT],
  [
    { iss: 'https://sts.windows.net/v2.0/t' },
    'iss https://sts.windows.net/v2.0/t has no slash at its end: authn-azure puts one behind provider-uri and compares',
    USE_JWT,
  ],
  [
    { xms_mirid: undefined },
    'no xms_mirid: this is no managed identity, an app registration for instance',
    USE_JWT,
  ],
  [{ oid: '' }, 'no oid: authn-azure demands it', USE_JWT],
  [
    { xms_mirid: '/subscriptions/s/providers/A/B/c' },
    'xms_mirid /subscriptions/s/providers/A/B/c has no resourcegroups, so authn-azure cannot read it',
    USE_JWT,
  ],
  [
    { xms_mirid: MIRID.replace('providers', 'Providers') },
    `xms_mirid ${MIRID.replace('providers', 'Providers')} spells providers as Providers; authn-azure reads it in lower case only`,
    USE_JWT,
  ],
  [
    { xms_mirid: `${MIRID}/slots/blue` },
    `xms_mirid ${MIRID}/slots/blue has not exactly three parts after providers, as a deployment slot has; authn-azure refuses it`,
    USE_JWT,
  ],
  [
    { xms_mirid: MIRID.replace('/rg/', '/my-providers-rg/') },
    `xms_mirid ${MIRID.replace('/rg/', '/my-providers-rg/')} holds my-providers-rg, which Conjur takes for a key word; rename it`,
    USE_JWT,
  ],
])('what authn-azure dislikes about %o is told whole', (claims, what, cure) => {
  expect(findingsOf({ header, claims: { ...V1, ...claims } }, 'authn-azure')).toEqual([
    { what, cure, isFatal: true },
  ])
})

const PROJECTED = 'mount a projected serviceAccountToken and name its path in JWT_TOKEN_PATH'
const GOOD = { iss: 'https://oidc.example.com', exp: 1, aud: 'conjur' }

test.each<[Record<string, unknown>, Record<string, unknown>, string, string]>([
  [
    { alg: 'ES256', kid: 'k' },
    GOOD,
    'alg ES256: authn-jwt takes RS256, RS384 and RS512 only',
    'sign with an RSA key: the API server does with --service-account-signing-key-file naming one',
  ],
  ...[undefined, '', 7].map((kid): [Record<string, unknown>, typeof GOOD, string, string] => [
    { alg: 'RS512', kid },
    GOOD,
    'no kid in its header: Conjur cannot tell which key signed it',
    'have the issuer name its key in the header; `kubectl create token` shows what the API server writes',
  ]),
  [
    header,
    { iss: 'kubernetes/serviceaccount' },
    'no exp: this is a token from a Secret, which lives for ever; authn-jwt refuses it',
    PROJECTED,
  ],
  [header, { ...GOOD, exp: '1' }, 'no exp: authn-jwt refuses a token that never ends', PROJECTED],
  [
    header,
    { ...GOOD, iss: 7 },
    'no iss: authn-jwt refuses a token without an issuer',
    'have the issuer name itself in iss',
  ],
])('what authn-jwt dislikes about %o %o is told whole', (header, claims, what, cure) => {
  expect(findingsOf({ header, claims }, 'authn-jwt')).toEqual([{ what, cure, isFatal: true }])
})

test.each([
  'kubernetes.default',
  'https://kubernetes.default.svc',
  ['https://kubernetes.default.svc.cluster.local', 'k3s'],
])('the audience %o is the API server, which a policy can allow', (aud) => {
  const named = Array.isArray(aud) ? aud.join(' and ') : aud

  expect(findingsOf({ header, claims: { ...GOOD, aud } }, 'authn-jwt')).toEqual([
    {
      what: `aud ${named} is the API server's: this token was not made for Conjur`,
      cure: 'set audience: conjur in the projected serviceAccountToken; the variable audience of the authenticator has to say the same',
      isFatal: false,
    },
  ])
})

test.each(['kubernetes.defaults', 'my-kubernetes.default', 'conjur', undefined])(
  'the audience %s is not the API server',
  (aud) => {
    expect(findingsOf({ header, claims: { ...GOOD, aud } }, 'authn-jwt')).toEqual([])
  },
)

test('what is fatal comes first', () => {
  const claims = { ...GOOD, aud: 'kubernetes.default', iss: undefined }

  expect(findingsOf({ header, claims }, 'authn-jwt').map(({ isFatal }) => isFatal)).toEqual([
    true,
    false,
  ])
})

test('authn-gcp and authn-oidc ask for a kid alone', () => {
  expect(findingsOf({ header: { alg: 'ES256', kid: 'k' }, claims: {} }, 'authn-oidc')).toEqual([])
  expect(findingsOf({ header: { alg: 'ES256' }, claims: {} }, 'authn-gcp')).toHaveLength(1)
})

test('a claim is a text only if it is one, and not empty', () => {
  const claims = { text: 'a', empty: '', number: 1, deep: { text: 'b' }, list: ['c'] }

  expect(
    ['text', 'empty', 'number', 'deep', 'deep/text', 'list/0', 'text/0'].map((name) =>
      textAt(claims, name),
    ),
  ).toEqual(['a', undefined, undefined, undefined, 'b', undefined, undefined])
})

test('an audience in words', () => {
  expect([{ aud: 'a' }, { aud: ['a', 7] }, { aud: 7 }, {}].map(audienceOf)).toEqual([
    'a',
    'a and 7',
    undefined,
    undefined,
  ])
})

test('an authenticator is named with its service id, if it has one', () => {
  expect(nameOf({ type: 'authn-jwt', serviceId: 'prod' })).toBe('authn-jwt/prod')
  expect(nameOf({ type: 'authn-gcp', serviceId: undefined })).toBe('authn-gcp')
})

test('a good Azure token has nothing to find', () => {
  expect(findingsOf({ header, claims: V1 }, 'authn-azure')).toEqual([])
})

test('a good service-account token has nothing to find', () => {
  const claims = { iss: 'https://oidc.example.com', exp: 1, ...serviceAccountClaims() }

  expect(findingsOf({ header, claims }, 'authn-jwt')).toEqual([])
})

test('xms_mirid is read in any order, as far as it goes', () => {
  expect(readMirid('/providers/A/B/c/subscriptions/s/resourcegroups/rg')).toEqual({
    subscription: 's',
    resourceGroup: 'rg',
    provider: ['A', 'B', 'c'],
    problem: undefined,
  })
  expect(readMirid('/tenants/t')).toMatchObject({
    subscription: undefined,
    resourceGroup: undefined,
    provider: [],
  })
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
