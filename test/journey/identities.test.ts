import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { startDevserver, type Devserver } from '../../src/devserver/server.ts'
import { runAgent } from '../support/agent-process.ts'
import { testCa } from '../support/certificate.ts'
import { bodyOf, loopbackServer, type LoopbackServer } from '../support/loopback-server.ts'
import {
  azureClaims,
  discoveryPaths,
  serviceAccountClaims,
  tokenMaker,
  type TokenMaker,
} from '../support/token-maker.ts'

// The built program gets its identity from each platform it can play on this machine, by environment
// variables alone, and reads a value with it from a devserver that verifies every token.

const VALUE = 'canary-91c2'
const POLICY = `
- !policy
  id: conjur/authn-jwt/any
  body:
    - !webservice
    - !variable provider-uri
    - !variable ca-cert
    - !permit { role: !host /apps/web, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-azure/prod
  body:
    - !webservice
    - !variable provider-uri
    - !permit { role: !host /apps/web, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-oidc/prod
  body:
    - !webservice
    - !variable provider-uri
    - !variable id-token-user-property
    - !variable ca-cert
    - !permit { role: !user /alice, privileges: [ read, authenticate ], resource: !webservice }
- !user alice
- !policy
  id: apps
  body:
    - !host
      id: web
      annotations:
        authn-jwt/any/sub: web
        authn-azure/subscription-id: 5a5a5a5a-2222-4b4b-9c9c-000000000002
        authn-azure/resource-group: rg-web
    - !variable value
    - !permit { role: !host web, privileges: [ read, execute ], resource: !variable value }
    - !permit { role: !user /alice, privileges: [ read, execute ], resource: !variable value }
`

let directory: string
let conjur: Devserver
let azure: TokenMaker
let provider: TokenMaker
let azureServer: LoopbackServer
let providerServer: LoopbackServer
let seen: string[]
let common: Readonly<Record<string, string>>

beforeAll(async () => {
  directory = await mkdtemp('/dev/shm/conjur-agent-test-')
  seen = []
  const ca = await testCa()
  await writeFile(join(directory, 'ca.pem'), ca.cert)
  // Issuer and endpoints of Azure and Google, over plain HTTP on loopback.
  azureServer = await loopbackServer((request, response) => {
    const url = new URL(request.url ?? '/', azureServer.url)
    seen.push(`${request.method ?? ''} ${url.pathname}`)
    void answerAzure(url, request.headers).then(
      ({ status, body, headers }) => response.writeHead(status, headers).end(body),
      () => response.destroy(),
    )
  })
  const origin = azureServer.url.origin
  azure = await tokenMaker({
    issuer: `${origin}/tenant/`,
    jwksUri: `${origin}/keys`,
    now: Date.now,
  })
  // An OpenID provider over TLS.
  providerServer = await loopbackServer(
    (request, response) => {
      void bodyOf(request)
        .then((body) => answerProvider(request.url ?? '', body))
        .then((answer) =>
          response.writeHead(answer === undefined ? 404 : 200).end(JSON.stringify(answer)),
        )
    },
    await ca.issue(),
  )
  const issuer = `${providerServer.url.origin}/realms/acme`
  provider = await tokenMaker({ issuer, now: Date.now })
  conjur = await startDevserver({
    account: 'acme',
    policy: POLICY,
    values: {
      'conjur/authn-jwt/any/provider-uri': issuer,
      'conjur/authn-jwt/any/ca-cert': ca.cert,
      'conjur/authn-azure/prod/provider-uri': azure.issuer,
      'conjur/authn-oidc/prod/provider-uri': issuer,
      'conjur/authn-oidc/prod/id-token-user-property': 'preferred_username',
      'conjur/authn-oidc/prod/ca-cert': ca.cert,
      'apps/value': VALUE,
    },
  })
  common = {
    CONJUR_APPLIANCE_URL: conjur.url,
    CONJUR_ACCOUNT: 'acme',
    CONJUR_SSL_CERTIFICATE: conjur.ca,
    CONJUR_SECRETS__DB: '- value: apps/value',
    CONJUR_SECRET_FILE_FORMAT__DB: 'json',
    CONJUR_STATUS_LISTEN: 'off',
    CONJUR_IDENTITY_TIMEOUT: '1s',
    RETRY_COUNT_LIMIT: '0',
    NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem'),
  }
})

afterAll(async () => {
  await Promise.all([conjur.close(), azureServer.close(), providerServer.close()])
  await rm(directory, { recursive: true, force: true })
})

const AZURE = { CONJUR_AUTHENTICATOR: 'authn-azure/prod', CONJUR_AUTHN_LOGIN: 'host/apps/web' }
const ANY = { CONJUR_AUTHENTICATOR: 'authn-jwt/any', CONJUR_AUTHN_LOGIN: 'host/apps/web' }
const OIDC = { CONJUR_AUTHENTICATOR: 'authn-oidc/prod' }

test('authn-azure in App Service and Container Apps', async () => {
  await readsTheValue({
    ...AZURE,
    IDENTITY_ENDPOINT: `${azureServer.url.origin}/msi/token`,
    IDENTITY_HEADER: 'header-secret',
  })
})

test('authn-azure in App Service by its older protocol', async () => {
  await readsTheValue({
    ...AZURE,
    MSI_ENDPOINT: `${azureServer.url.origin}/msi/token`,
    MSI_SECRET: 'header-secret',
  })
})

test('authn-azure on a virtual machine', async () => {
  await readsTheValue({ ...AZURE, AZURE_POD_IDENTITY_AUTHORITY_HOST: azureServer.url.origin })
})

test('no proxy variable and no switch of the runtime comes between the agent and the metadata service', async () => {
  const nowhere = 'http://127.0.0.1:1'

  await readsTheValue({
    ...AZURE,
    AZURE_POD_IDENTITY_AUTHORITY_HOST: azureServer.url.origin,
    HTTP_PROXY: nowhere,
    http_proxy: nowhere,
    ALL_PROXY: nowhere,
    NO_PROXY: '',
    NODE_USE_ENV_PROXY: '1',
  })
})

test('authn-oidc with an ID token from a file', async () => {
  const file = await written('id-token', await provider.make({ preferred_username: 'alice' }))

  await readsTheValue({ ...OIDC, CONJUR_OIDC_TOKEN_FILE: file })
})

test('authn-oidc with client credentials, proved by a federated assertion', async () => {
  const file = await written('assertion', await provider.make(serviceAccountClaims()))

  await readsTheValue({
    ...OIDC,
    CONJUR_OIDC_ISSUER: provider.issuer,
    CONJUR_OIDC_CLIENT_ID: 'web',
    CONJUR_OIDC_ASSERTION_FILE: file,
  })
})

test("authn-jwt with an OpenID provider's access token", async () => {
  await readsTheValue({
    ...ANY,
    CONJUR_IDENTITY_SOURCE: 'oidc-client-credentials',
    CONJUR_OIDC_ISSUER: provider.issuer,
    CONJUR_OIDC_CLIENT_ID: 'web',
    CONJUR_OIDC_CLIENT_SECRET_FILE: await written('client-secret', 's3cr3t'),
    CONJUR_OIDC_TOKEN_FIELD: 'access_token',
  })
})

test("authn-jwt with the metadata server's token of Google", async () => {
  await readsTheValue({
    ...ANY,
    CONJUR_IDENTITY_SOURCE: 'gcp-metadata',
    CONJUR_TOKEN_AUDIENCE: 'conjur',
    GCE_METADATA_HOST: azureServer.url.host,
  })
})

test('authn-jwt with the token of a command', async () => {
  const token = await written(
    'token.json',
    JSON.stringify({ token: await provider.make({ sub: 'web' }) }),
  )
  const program = await written('plugin', '#!/bin/sh\nexec cat "$1"\n')
  await chmod(program, 0o755)

  await readsTheValue({
    ...ANY,
    CONJUR_IDENTITY_SOURCE: 'command',
    CONJUR_IDENTITY_COMMAND: JSON.stringify([program, token]),
  })
})

test('authn with an API key from a file', async () => {
  await readsTheValue({
    CONJUR_AUTHENTICATOR: 'authn',
    CONJUR_AUTHN_LOGIN: 'host/apps/web',
    CONJUR_AUTHN_API_KEY_FILE: await written(
      'api-key',
      `${conjur.apiKeyOf('host/apps/web') ?? ''}\n`,
    ),
  })
})

test.each<[string, Record<string, string>, RegExp]>([
  [
    'a header that the platform has rotated',
    { IDENTITY_HEADER: 'stale' },
    /IDENTITY_REFUSED: .*does not accept IDENTITY_HEADER \(401\)\nhint: restart this container/,
  ],
  [
    'an identity that is not assigned',
    { IDENTITY_HEADER: 'header-secret', CONJUR_AUTHN_AZURE_CLIENT_ID: 'gone' },
    /IDENTITY_ABSENT: no managed identity with client id gone is assigned to this app\nhint: /,
  ],
])(
  'P5: %s ends with exit code 4, one message and one hint',
  async (_what, environment, expected) => {
    const { code, stderr } = await agent({
      ...AZURE,
      IDENTITY_ENDPOINT: `${azureServer.url.origin}/msi/token`,
      ...environment,
    })

    expect(code).toBe(4)
    expect(stderr).toMatch(expected)
  },
)

test('P6: a platform that is not supported is named before anything is sent', async () => {
  seen.length = 0

  const { code, stderr } = await agent({
    ...AZURE,
    MSI_ENDPOINT: `${azureServer.url.origin}/msi/token`,
  })

  expect(code).toBe(3)
  expect(stderr).toContain(
    'MSI_ENDPOINT  belongs to Cloud Shell, whose identities this version cannot use',
  )
  expect(seen).toEqual([])
})

async function readsTheValue(environment: Readonly<Record<string, string>>): Promise<void> {
  const secrets = await mkdtemp(join(directory, 'run-'))
  const { code, output } = await agent(environment, secrets)

  expect([code, output.includes('hint:') ? output : '']).toEqual([0, ''])
  expect(JSON.parse(await readFile(join(secrets, 'secrets/db.json'), 'utf8'))).toEqual({
    value: VALUE,
  })
  expect(output).not.toMatch(/canary-91c2|eyJ|header-secret|s3cr3t/)
}

async function agent(
  environment: Readonly<Record<string, string>>,
  place: string = directory,
): ReturnType<typeof runAgent> {
  return runAgent(['init'], {
    ...common,
    LOG_LEVEL: 'debug',
    CONJUR_SECRETS_DIRECTORY: join(place, 'secrets'),
    CONJUR_AUTHN_TOKEN_FILE: join(place, 'access-token'),
    ...environment,
  })
}

async function written(name: string, text: string): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, text)
  return path
}

interface Answer {
  readonly status: number
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

async function answerAzure(url: URL, headers: Readonly<Record<string, unknown>>): Promise<Answer> {
  const ok = (body: unknown): Answer => ({ status: 200, body: JSON.stringify(body) })
  if (url.pathname === '/keys') return ok(azure.jwks)
  if (discoveryPaths(azure.issuer).includes(url.pathname)) return ok(azure.discovery)
  switch (url.pathname) {
    case '/msi/token': {
      if ((headers['x-identity-header'] ?? headers['secret']) !== 'header-secret')
        return { status: 401 }
      if (url.searchParams.get('client_id') === 'gone')
        return { status: 400, body: '{"statusCode":400}' }
      return ok({
        access_token: await azure.make(azureClaims()),
        expires_on: '1/20/2099 9:05:00 AM +00:00',
      })
    }
    case '/metadata/identity/oauth2/token':
      return headers['metadata'] === 'true'
        ? ok({ access_token: await azure.make(azureClaims()), expires_in: '86399' })
        : { status: 400 }
    case '/computeMetadata/v1/instance/service-accounts/default/identity':
      return {
        status: 200,
        headers: { 'Metadata-Flavor': 'Google' },
        body: await provider.make({ sub: 'web' }),
      }
    default:
      return { status: 404 }
  }
}

async function answerProvider(path: string, body: string): Promise<unknown> {
  const { issuer } = provider
  if (path === '/realms/acme/keys') return provider.jwks
  if (path === '/realms/acme/.well-known/openid-configuration') {
    return { ...provider.discovery, token_endpoint: `${issuer}/token` }
  }
  if (path !== '/realms/acme/token') return undefined
  const form = new URLSearchParams(body)
  if (form.get('grant_type') !== 'client_credentials') return undefined
  return {
    id_token: await provider.make({ sub: 'web', preferred_username: 'alice' }),
    access_token: await provider.make({ sub: 'web', typ: 'Bearer' }),
  }
}
