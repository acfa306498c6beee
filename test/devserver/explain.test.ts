import { expect, test } from 'vitest'
import { serviceAccountClaims, tokenMaker } from '../support/token-maker.ts'
import { ask, tokenFor } from './client.ts'
import { harness } from './harness.ts'

const policy = `# web.yml, line 1
- !policy
  id: conjur/authn-jwt/prod
  body:
  - !webservice
  - !variable public-keys
  - !variable issuer
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
      authn-jwt/prod/kubernetes.io/namespace: shop
  - !host
    id: other
    annotations:
      authn-jwt/prod/kubernetes.io/namespace: shop
  - !group readers
  - !variable secret
  - !variable hidden
  - !permit
    role: !group readers
    privileges: [ read, execute ]
    resource: !variable secret
- !grant
  role: !group conjur/authn-jwt/prod/clients
  member: !host apps/web
`

async function rig() {
  const maker = await tokenMaker({ issuer: 'https://idp.example.com' })
  const server = await harness({
    policy: [{ text: policy, file: 'web.yml' }],
    values: {
      'conjur/authn-jwt/prod/issuer': maker.issuer,
      'conjur/authn-jwt/prod/public-keys': JSON.stringify({ type: 'jwks', value: maker.jwks }),
    },
  })
  return { maker, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

test('a claim that differs is told with both values and the line of the host', async () => {
  await using stage = await rig()
  const token = await stage.maker.make(
    serviceAccountClaims({ 'kubernetes.io': { namespace: 'dev' } }),
  )

  await stage.server.authenticate(
    '/authn-jwt/prod/acme/host%2Fapps%2Fweb/authenticate',
    `jwt=${token}`,
  )

  expect(stage.server.explained).toEqual([
    '401 authn-jwt/prod host/apps/web CONJ00049E kubernetes.io/namespace: token "dev", policy "shop" (web.yml:19)',
  ])
})

test('a host that lacks the privilege is told which group has it, and the line that gives it', async () => {
  await using stage = await rig()
  const token = await stage.maker.make(serviceAccountClaims())

  await stage.server.authenticate(
    '/authn-jwt/prod/acme/host%2Fapps%2Fother/authenticate',
    `jwt=${token}`,
  )

  expect(stage.server.explained).toEqual([
    '403 authn-jwt/prod host/apps/other CONJ00006E lacks authenticate; add to conjur/authn-jwt/prod/clients (web.yml:31)',
  ])
})

test('an issuer that differs is told with both values, a key of none with those there are', async () => {
  await using stage = await rig()
  const path = '/authn-jwt/prod/acme/host%2Fapps%2Fweb/authenticate'

  await stage.server.authenticate(path, `jwt=${await stage.maker.make({ iss: 'https://evil' })}`)
  await stage.server.authenticate(path, `jwt=${await stage.maker.make({}, { kid: 'nope' })}`)
  await stage.server.authenticate(path, 'jwt=a.b')

  expect(stage.server.explained).toEqual([
    '401 authn-jwt/prod host/apps/web CONJ00035E iss: token "https://evil", expected "https://idp.example.com"',
    '401 authn-jwt/prod host/apps/web CONJ00035E kid: token "nope", issuer key-1',
    '401 authn-jwt/prod host/apps/web CONJ00077E jwt=… has 2 parts, a token has three',
  ])
})

test('a value that may not be read is told apart from one that is not there', async () => {
  await using stage = await rig()
  const { server } = stage.server
  const headers = await tokenFor(
    server,
    'host/apps/other',
    server.apiKeyOf('host/apps/other') ?? '',
  )

  await ask(server, { path: '/secrets/acme/variable/apps%2Fhidden', headers })
  await ask(server, { path: '/secrets/acme/variable/apps%2Fnope', headers })
  await ask(server, { path: '/secrets?variable_ids=acme:variable:apps/secret', headers })

  expect(stage.server.explained).toEqual([
    '404 host/apps/other CONJ00076E variable apps/hidden exists, but this role has no privilege on it (web.yml:26)',
    '404 host/apps/other CONJ00076E no policy declares variable apps/nope',
    '403 host/apps/other CONJ00006E apps/secret: lacks execute; add to apps/readers (web.yml:27)',
  ])
})

test('no token, key or value stands in a log, an explanation or an audit record (P2)', async () => {
  const audited: string[] = []
  const maker = await tokenMaker({ issuer: 'https://idp.example.com' })
  await using rig = await harness({
    policy: [{ text: policy, file: 'web.yml' }],
    values: { 'apps/secret': 'canary-value', 'conjur/authn-jwt/prod/issuer': maker.issuer },
    audit: (event) => audited.push(JSON.stringify(event)),
  })
  const admin = await tokenFor(rig.server, 'admin', rig.server.adminApiKey)
  const token = await maker.make(serviceAccountClaims())

  await ask(rig.server, { path: '/secrets/acme/variable/apps%2Fsecret', headers: admin })
  await ask(rig.server, {
    method: 'POST',
    path: '/secrets/acme/variable/apps%2Fhidden',
    headers: admin,
    body: 'canary-new',
  })
  await rig.authenticate('/authn-jwt/prod/acme/host%2Fapps%2Fweb/authenticate', `jwt=${token}`)
  await rig.authenticate('/authn/acme/admin/authenticate', `${rig.server.adminApiKey}x`)
  const said = [...rig.log, ...rig.explained, ...audited].join('\n')

  expect(said).not.toContain('canary')
  expect(said).not.toContain(rig.server.adminApiKey)
  expect(said).not.toContain(token.split('.')[2])
  expect(audited).toHaveLength(6)
})
