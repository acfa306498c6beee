import { beforeAll, describe, expect, test } from 'vitest'
import { tokenMaker, type TokenMaker } from '../support/token-maker.ts'
import { harness, issuerTable, lastCode, type Harness } from './harness.ts'

describe('authn-oidc', () => {
  let maker: TokenMaker

  beforeAll(async () => {
    maker = await tokenMaker({ issuer: 'https://idp.example.com/realm' })
  })

  const rig = (): Promise<Harness> =>
    harness({
      policy: `
- !policy
  id: conjur/authn-oidc/prod
  body:
  - !webservice
  - !variable provider-uri
  - !variable id-token-user-property
  - !group users
  - !permit { role: !group users, privileges: [ read, authenticate ], resource: !webservice }
- !user alice
- !policy
  id: team/a
  body: [ !user bob ]
- !grant { role: !group conjur/authn-oidc/prod/users, members: [ !user alice, !user bob@team-a ] }
`,
      values: {
        'conjur/authn-oidc/prod/provider-uri': 'https://idp.example.com/realm',
        'conjur/authn-oidc/prod/id-token-user-property': 'preferred_username',
      },
      askIssuer: issuerTable({
        'https://idp.example.com/realm/.well-known/openid-configuration': maker.discovery,
        'https://idp.example.com/realm/keys': maker.jwks,
      }),
    })
  const path = '/authn-oidc/prod/acme/authenticate'

  test.each(['alice', 'bob@team-a'])(
    'an ID token that names %s logs in, whatever its issuer and audience',
    async (name) => {
      await using server = await rig()
      const token = await maker.make({ preferred_username: name, iss: 'https://other', aud: 'x' })

      const reply = await server.authenticate(path, `id_token=${token}`)

      expect(reply.status).toBe(200)
      expect(server.explained).toHaveLength(name === 'bob@team-a' ? 1 : 0)
    },
  )

  test('the token may stand in a Bearer header', async () => {
    await using server = await rig()
    const token = await maker.make({ preferred_username: 'alice' })

    const reply = await server.authenticate(path, '', { authorization: `Bearer ${token}` })

    expect(reply.status).toBe(200)
  })

  test.each([
    ['admin', 'CONJ00017E', { preferred_username: 'admin' }],
    ['nobody', 'CONJ00013E', {}],
    ['a user nobody declared', 'CONJ00007E', { preferred_username: 'carol' }],
  ])('a token that names %s is refused with %s', async (_who, code, claims) => {
    await using server = await rig()

    const reply = await server.authenticate(path, `id_token=${await maker.make(claims)}`)

    expect(reply.status).toBe(401)
    expect(reply.text()).toBe('')
    expect(lastCode(server.log)).toBe(code)
  })

  test('a login in the URL is no route, and a route without service id asks for one', async () => {
    await using server = await rig()

    const named = await server.authenticate('/authn-oidc/prod/acme/alice/authenticate', '')
    const without = await server.authenticate('/authn-oidc/acme/authenticate', '')

    expect(named.status).toBe(404)
    expect(without.status).toBe(401)
    expect(lastCode(server.log)).toBe('CONJ00075E')
  })
})

describe('authn-gcp', () => {
  let maker: TokenMaker

  beforeAll(async () => {
    maker = await tokenMaker({ issuer: 'https://accounts.google.com' })
  })

  const attempt = async (
    claims: Record<string, unknown>,
    annotations: Record<string, string> = { 'authn-gcp/project-id': 'p-1' },
  ): Promise<{ status: number; code: string | undefined }> => {
    await using server = await harness({
      policy: `
- !policy
  id: conjur/authn-gcp
  body:
  - !webservice
  - !group clients
  - !permit { role: !group clients, privileges: [ authenticate ], resource: !webservice }
- !host
  id: web
  annotations:
${Object.entries(annotations)
  .map(([name, value]) => `    ${name}: "${value}"`)
  .join('\n')}
- !grant { role: !group conjur/authn-gcp/clients, member: !host web }
`,
      askIssuer: issuerTable({
        'https://accounts.google.com/.well-known/openid-configuration': maker.discovery,
        'https://accounts.google.com/keys': maker.jwks,
      }),
    })
    const token = await maker.make({
      aud: 'conjur/acme/host/web',
      sub: 'sa-1',
      email: 'sa@p-1.example.com',
      google: { compute_engine: { project_id: 'p-1', instance_name: 'vm-1' } },
      ...claims,
    })
    const reply = await server.authenticate('/authn-gcp/acme/authenticate', `jwt=${token}`)
    return { status: reply.status, code: reply.status === 200 ? undefined : lastCode(server.log) }
  }

  test.each([
    { 'authn-gcp/project-id': 'p-1' },
    { 'authn-gcp/service-account-id': 'sa-1', 'authn-gcp/instance-name': 'vm-1' },
    { 'authn-gcp/service-account-email': 'sa@p-1.example.com' },
  ])('a token whose audience names the host logs in by %o', async (annotations) => {
    expect(await attempt({}, annotations)).toMatchObject({ status: 200 })
  })

  test.each<[string, string, Record<string, unknown>, Record<string, string>?]>([
    ['another audience', 'CONJ00067E', { aud: 'https://example.com' }],
    ['another account', 'CONJ00070E', { aud: 'conjur/other/host/web' }],
    ['another issuer', 'CONJ00035E', { iss: 'https://idp.example.com' }],
    ['no annotation', 'CONJ00069E', {}, { 'authn-gcp/instance-name': 'vm-1' }],
    [
      'an unknown annotation',
      'CONJ00050E',
      {},
      { 'authn-gcp/project-id': 'p-1', 'authn-gcp/zone': 'x' },
    ],
    ['a claim that is missing', 'CONJ00068E', { google: {} }],
    ['a claim that differs', 'CONJ00049E', {}, { 'authn-gcp/project-id': 'p-2' }],
  ])('%s is refused with %s', async (_what, code, claims, annotations) => {
    expect(await attempt(claims, annotations)).toEqual({ status: 401, code })
  })
})
