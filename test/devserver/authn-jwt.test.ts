import { exportJWK, generateKeyPair } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { TEST_TIME } from '../support/fake-clock.ts'
import { serviceAccountClaims, tokenMaker, type TokenMaker } from '../support/token-maker.ts'
import { harness, issuerTable, lastCode } from './harness.ts'

const login = '/authn-jwt/prod/acme/host%2Fapps%2Fweb/authenticate'
const withoutLogin = '/authn-jwt/prod/acme/authenticate'
const now = Math.floor(TEST_TIME / 1000)

describe('authn-jwt', () => {
  let maker: TokenMaker

  beforeAll(async () => {
    maker = await tokenMaker({ issuer: 'https://idp.example.com' })
  })

  /** Starts a server with these variables of the service and these annotations of the host, and logs in once. */
  const attempt = async (asked: {
    variables?: Record<string, string | undefined>
    unset?: readonly string[]
    annotations?: Record<string, string>
    token?: string
    path?: string
    issuers?: Record<string, unknown>
    host?: string
  }): Promise<{ status: number; code: string | undefined; body: string; explained: string }> => {
    const variables: Record<string, string | undefined> = {
      'public-keys': JSON.stringify({ type: 'jwks', value: maker.jwks }),
      issuer: maker.issuer,
      ...asked.variables,
    }
    const set = Object.entries(variables).filter(([, value]) => value !== undefined)
    const annotations = asked.annotations ?? {
      'authn-jwt/prod/sub': 'system:serviceaccount:shop:web',
    }
    await using rig = await harness({
      policy: policyWith(
        [...set.map(([name]) => name), ...(asked.unset ?? [])],
        annotations,
        asked.host,
      ),
      values: Object.fromEntries(
        set.map(([name, value]) => [`conjur/authn-jwt/prod/${name}`, value ?? '']),
      ),
      askIssuer: issuerTable(asked.issuers ?? {}),
    })
    const token = asked.token ?? (await maker.make(serviceAccountClaims()))
    const reply = await rig.authenticate(asked.path ?? login, `jwt=${token}`)
    return {
      status: reply.status,
      code: reply.status === 200 ? undefined : lastCode(rig.log),
      body: reply.text(),
      explained: rig.explained.join('\n'),
    }
  }

  test('a token that matches every annotation of its host logs in', async () => {
    const reply = await attempt({
      annotations: {
        'authn-jwt/prod/sub': 'system:serviceaccount:shop:web',
        'authn-jwt/prod/kubernetes.io/namespace': 'shop',
        'authn-jwt/prod/kubernetes.io/serviceaccount/name': 'web',
      },
    })

    expect(reply.status).toBe(200)
  })

  test('a claim with slashes in its literal name is found before any nested one', async () => {
    const token = await maker.make({
      'kubernetes.io/namespace': 'literal',
      'kubernetes.io': { namespace: 'nested' },
    })

    const literal = await attempt({
      token,
      annotations: { 'authn-jwt/prod/kubernetes.io/namespace': 'literal' },
    })
    const nested = await attempt({
      token,
      annotations: { 'authn-jwt/prod/kubernetes.io/namespace': 'nested' },
    })

    expect(literal.status).toBe(200)
    expect(nested.code).toBe('CONJ00049E')
  })

  test.each([
    ['RS256', 200],
    ['RS384', 200],
    ['RS512', 200],
    ['PS256', 401],
    ['ES256', 401],
  ] as const)('a token signed with %s is answered %i', async (algorithm, status) => {
    const other = await tokenMaker({ issuer: maker.issuer, algorithm })
    const keys = JSON.stringify({ type: 'jwks', value: other.jwks })

    const reply = await attempt({
      variables: { 'public-keys': keys },
      token: await other.make(serviceAccountClaims()),
    })

    expect(reply.status).toBe(status)
    if (status !== 200) expect(reply.code).toBe('CONJ00035E')
  })

  test('keys come from jwks-uri, whose host name is then the issuer', async () => {
    const keys = await tokenMaker({ issuer: 'keys.example.com' })

    const reply = await attempt({
      variables: {
        'public-keys': undefined,
        issuer: undefined,
        'jwks-uri': 'https://keys.example.com/jwks?v=1',
      },
      issuers: { 'https://keys.example.com/jwks?v=1': keys.jwks },
      token: await keys.make(serviceAccountClaims()),
    })

    expect(reply.status).toBe(200)
  })

  test('keys come from provider-uri by discovery, and it is the issuer as it stands', async () => {
    const reply = await attempt({
      variables: { 'public-keys': undefined, issuer: undefined, 'provider-uri': maker.issuer },
      issuers: {
        'https://idp.example.com/.well-known/openid-configuration': maker.discovery,
        'https://idp.example.com/keys': maker.jwks,
      },
    })

    expect(reply.status).toBe(200)
  })

  test('the host is named by a claim, below the identity path, as one path', async () => {
    const reply = await attempt({
      variables: {
        'token-app-property': 'kubernetes.io/serviceaccount/name',
        'identity-path': '/apps/',
      },
      path: withoutLogin,
    })

    expect(reply.status).toBe(200)
    expect(Buffer.from(JSON.parse(reply.body).payload, 'base64url').toString()).toContain(
      '"sub":"host/apps/web"',
    )
  })

  test('a claim alias is annotated in place of its claim', async () => {
    const variables = { 'claim-aliases': 'ns:kubernetes.io/namespace' }

    const aliased = await attempt({ variables, annotations: { 'authn-jwt/prod/ns': 'shop' } })
    const bare = await attempt({
      variables,
      annotations: { 'authn-jwt/prod/kubernetes.io/namespace': 'shop' },
    })

    expect(aliased.status).toBe(200)
    expect(bare.code).toBe('CONJ00069E')
  })

  test('an enforced claim is met by its alias', async () => {
    const reply = await attempt({
      variables: {
        'claim-aliases': 'ns:kubernetes.io/namespace',
        'enforced-claims': 'kubernetes.io/namespace',
      },
      annotations: { 'authn-jwt/prod/ns': 'shop' },
    })

    expect(reply.status).toBe(200)
  })

  test('an audience, once set, may be one of several', async () => {
    const token = await maker.make({ ...serviceAccountClaims(), aud: ['other', 'conjur'] })

    const reply = await attempt({ variables: { audience: 'conjur' }, token })

    expect(reply.status).toBe(200)
  })

  test.each<[what: string, code: string, asked: Parameters<typeof attempt>[0]]>([
    ['no key source', 'CONJ00122E', { variables: { 'public-keys': undefined } }],
    ['two key sources', 'CONJ00122E', { variables: { 'jwks-uri': 'https://a' } }],
    [
      'three key sources',
      'CONJ00122E',
      { variables: { 'jwks-uri': 'https://a', 'provider-uri': 'https://b' } },
    ],
    ['public keys without an issuer', 'CONJ00122E', { variables: { issuer: undefined } }],
    ['a CA beside public keys', 'CONJ00122E', { variables: { 'ca-cert': 'x' } }],
    ['public keys that are no JSON', 'CONJ00120E', { variables: { 'public-keys': 'x' } }],
    [
      'public keys of another type',
      'CONJ00120E',
      { variables: { 'public-keys': '{"type":"pem","value":{}}' } },
    ],
    [
      'public keys without a key',
      'CONJ00120E',
      { variables: { 'public-keys': '{"type":"jwks","value":{"keys":[]}}' } },
    ],
    ['a variable without a value', 'CONJ00037E', { unset: ['audience'] }],
    ['a blank audience', 'CONJ00115E', { variables: { audience: ' ' } }],
    [
      'keys that cannot be fetched',
      'CONJ00087E',
      { variables: { 'public-keys': undefined, 'jwks-uri': 'https://away' } },
    ],
    [
      'a CA with plain HTTP',
      'CONJ00087E',
      { variables: { 'public-keys': undefined, 'jwks-uri': 'http://away', 'ca-cert': 'x' } },
    ],
    [
      'keys that are no JSON',
      'CONJ00093E',
      {
        variables: { 'public-keys': undefined, 'jwks-uri': 'https://a/' },
        issuers: { 'https://a/': '<html>' },
      },
    ],
    [
      'a document without keys',
      'CONJ00088E',
      {
        variables: { 'public-keys': undefined, 'jwks-uri': 'https://a/' },
        issuers: { 'https://a/': {} },
      },
    ],
    [
      'a provider that is away',
      'CONJ00011E',
      { variables: { 'public-keys': undefined, 'provider-uri': 'https://away' } },
    ],
    ['a login in URL and token', 'CONJ00098E', { variables: { 'token-app-property': 'sub' } }],
    ['no login at all', 'CONJ00098E', { path: withoutLogin }],
    [
      'a claim for the host that is missing',
      'CONJ00081E',
      { variables: { 'token-app-property': 'nobody' }, path: withoutLogin },
    ],
    [
      'a claim for the host that is no text',
      'CONJ00118E',
      { variables: { 'token-app-property': 'kubernetes.io' }, path: withoutLogin },
    ],
    [
      'a claim for the host that is no claim path',
      'CONJ00117E',
      { variables: { 'token-app-property': 'a//b' }, path: withoutLogin },
    ],
    [
      'a host nobody declared',
      'CONJ00007E',
      { path: '/authn-jwt/prod/acme/host%2Fnope/authenticate' },
    ],
    [
      'a login without host/',
      'CONJ00007E',
      { path: '/authn-jwt/prod/acme/apps%2Fweb/authenticate' },
    ],
    [
      'a login encoded twice',
      'CONJ00007E',
      { path: '/authn-jwt/prod/acme/host%252Fapps%252Fweb/authenticate' },
    ],
    [
      'no annotation for this service',
      'CONJ00099E',
      { annotations: { 'authn-jwt/sub': 'system:serviceaccount:shop:web' } },
    ],
    ['an annotation that is empty', 'CONJ00100E', { annotations: { 'authn-jwt/prod/sub': '' } }],
    [
      'an annotation that is no claim path',
      'CONJ00119E',
      { annotations: { 'authn-jwt/prod/a//b': 'x' } },
    ],
    [
      'an annotation of a registered claim',
      'CONJ00069E',
      { annotations: { 'authn-jwt/prod/aud': 'conjur' } },
    ],
    [
      'an annotation whose claim is missing',
      'CONJ00084E',
      { annotations: { 'authn-jwt/prod/team': 'x' } },
    ],
    [
      'an annotation that differs',
      'CONJ00049E',
      { annotations: { 'authn-jwt/prod/sub': 'other' } },
    ],
    [
      'an enforced claim without annotation',
      'CONJ00057E',
      { variables: { 'enforced-claims': 'team' } },
    ],
    ['blank enforced claims', 'CONJ00106E', { variables: { 'enforced-claims': ' ' } }],
    ['enforced claims with a gap', 'CONJ00107E', { variables: { 'enforced-claims': 'a,,b' } }],
    ['enforced claims twice', 'CONJ00108E', { variables: { 'enforced-claims': 'a,a' } }],
    ['an enforced claim that is no path', 'CONJ00104E', { variables: { 'enforced-claims': '1a' } }],
    [
      'an enforced claim that is registered',
      'CONJ00105E',
      { variables: { 'enforced-claims': 'exp' } },
    ],
    ['blank aliases', 'CONJ00109E', { variables: { 'claim-aliases': ' ' } }],
    ['aliases that end in a comma', 'CONJ00110E', { variables: { 'claim-aliases': 'a:b,' } }],
    ['an alias without claim', 'CONJ00111E', { variables: { 'claim-aliases': 'a' } }],
    ['an alias of a registered claim', 'CONJ00112E', { variables: { 'claim-aliases': 'a:iss' } }],
    ['an alias twice', 'CONJ00113E', { variables: { 'claim-aliases': 'a:b,a:c' } }],
    ['an alias with a slash', 'CONJ00114E', { variables: { 'claim-aliases': 'a/b:c' } }],
  ])('%s is refused with %s', async (_what, code, asked) => {
    const reply = await attempt(asked)

    expect(reply).toMatchObject({ status: 401, code, body: '' })
  })

  test.each<
    [what: string, code: string, claims: Record<string, unknown>, header?: Record<string, unknown>]
  >([
    ['without exp', 'CONJ00091E', { exp: undefined }],
    ['without iss', 'CONJ00091E', { iss: undefined }],
    ['of another issuer', 'CONJ00035E', { iss: 'https://evil.example.com' }],
    ['whose nbf lies a second ahead', 'CONJ00035E', { nbf: now + 1 }],
    ['whose iat lies a second ahead', 'CONJ00035E', { iat: now + 1 }],
    ['without kid', 'CONJ00035E', {}, { kid: undefined }],
    ['with an unknown kid', 'CONJ00035E', {}, { kid: 'other' }],
  ])('a token %s is refused with %s', async (_what, code, claims, header) => {
    const token = await maker.make({ ...serviceAccountClaims(), ...claims }, header)

    const reply = await attempt({ token })

    expect(reply).toMatchObject({ status: 401, code, body: '' })
  })

  test('a token is expired in the very second of its exp, and that alone is said in the reply', async () => {
    const token = await maker.make({ ...serviceAccountClaims(), exp: now })

    const reply = await attempt({ token })

    expect(reply.status).toBe(401)
    expect(reply.body).toBe(
      '{"error":{"code":"unauthorized","message":"CONJ00016E Token expired"}}',
    )
  })

  test('a number or a list in a claim never equals an annotation', async () => {
    const token = await maker.make({ team: 7, groups: ['a'] })

    const number = await attempt({ token, annotations: { 'authn-jwt/prod/team': '7' } })
    const list = await attempt({ token, annotations: { 'authn-jwt/prod/groups': 'a' } })

    expect(number.code).toBe('CONJ00049E')
    expect(list.code).toBe('CONJ00049E')
  })

  test('a host without the privilege is 403, once its token is good', async () => {
    const good = await attempt({
      host: 'stranger',
      path: '/authn-jwt/prod/acme/host%2Fapps%2Fstranger/authenticate',
    })
    const bad = await attempt({
      host: 'stranger',
      path: '/authn-jwt/prod/acme/host%2Fapps%2Fstranger/authenticate',
      token: await maker.make({ iss: 'https://evil.example.com' }),
    })

    expect(good).toMatchObject({ status: 403, code: 'CONJ00006E', body: '' })
    expect(bad.status).toBe(401)
  })

  test('one key of a kind the server does not read spoils all keys of an issuer', async () => {
    const { publicKey } = await generateKeyPair('Ed25519')
    const keys = { keys: [...maker.jwks.keys, { ...(await exportJWK(publicKey)), kid: 'okp' }] }

    const reply = await attempt({
      variables: { 'public-keys': JSON.stringify({ type: 'jwks', value: keys }) },
    })

    expect(reply.code).toBe('CONJ00035E')
    expect(reply.explained).toContain('one key of the issuer is of type OKP')
  })

  test('after a rotation the fresh keys count at once', async () => {
    const rotated = await tokenMaker({ issuer: maker.issuer, kid: 'key-2' })
    let keys = maker.jwks
    await using rig = await harness({
      policy: policyWith(['jwks-uri', 'issuer'], {
        'authn-jwt/prod/sub': 'system:serviceaccount:shop:web',
      }),
      values: {
        'conjur/authn-jwt/prod/jwks-uri': 'https://idp.example.com/keys',
        'conjur/authn-jwt/prod/issuer': maker.issuer,
      },
      askIssuer: async () => ({ status: 200, body: JSON.stringify(keys) }),
    })
    await rig.authenticate(login, `jwt=${await maker.make(serviceAccountClaims())}`)

    keys = rotated.jwks
    const reply = await rig.authenticate(login, `jwt=${await rotated.make(serviceAccountClaims())}`)

    expect(reply.status).toBe(200)
  })

  test('bad tokens make the server fetch keys ten times in five minutes and no more', async () => {
    let fetched = 0
    await using rig = await harness({
      policy: policyWith(['jwks-uri', 'issuer'], { 'authn-jwt/prod/sub': 'x' }),
      values: {
        'conjur/authn-jwt/prod/jwks-uri': 'https://idp.example.com/keys',
        'conjur/authn-jwt/prod/issuer': maker.issuer,
      },
      askIssuer: async () => {
        fetched += 1
        return { status: 200, body: JSON.stringify(maker.jwks) }
      },
    })
    const stranger = await tokenMaker({ issuer: maker.issuer, kid: 'nobody' })
    const token = await stranger.make(serviceAccountClaims())

    for (let each = 0; each < 15; each++) await rig.authenticate(login, `jwt=${token}`)

    expect(fetched).toBe(10)
  })
})

function policyWith(
  variables: readonly string[],
  annotations: Record<string, string>,
  extra?: string,
): string {
  const lines = Object.entries(annotations).map(([name, value]) => `      ${name}: "${value}"`)
  return `
- !policy
  id: conjur/authn-jwt/prod
  body:
  - !webservice
${variables.map((name) => `  - !variable ${name}`).join('\n')}
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
${lines.join('\n')}
${extra === undefined ? '' : `  - !host\n    id: ${extra}\n    annotations:\n${lines.join('\n')}`}
- !grant
  role: !group conjur/authn-jwt/prod/clients
  member: !host apps/web
`
}
