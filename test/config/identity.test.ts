import { expect, test } from 'vitest'

import { identitySources, sourcesOf } from '../../src/config/identity-table.ts'
import { loadConfig, readConfig, type AgentConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/core/errors.ts'

type Environment = Readonly<Record<string, string>>

const CONJUR = {
  CONJUR_APPLIANCE_URL: 'https://conjur.example.com',
  CONJUR_ACCOUNT: 'acme',
  CONJUR_AUTHN_LOGIN: 'host/apps/web',
}
const WORKLOAD = { AZURE_FEDERATED_TOKEN_FILE: '/t', AZURE_CLIENT_ID: 'c', AZURE_TENANT_ID: 't' }
const APP_SERVICE = {
  IDENTITY_ENDPOINT: 'http://localhost:42356/msi/token',
  IDENTITY_HEADER: 'h3ad3r',
}

/** The least that each source needs, from the environment alone. */
const LEAST: Readonly<Record<(typeof identitySources)[number], Environment>> = {
  'projected-token': {},
  'token-request': {
    MY_POD_NAMESPACE: 'shop',
    MY_POD_SERVICE_ACCOUNT: 'web',
    CONJUR_TOKEN_AUDIENCE: 'conjur',
  },
  'azure-imds': {},
  'azure-app-service': APP_SERVICE,
  'azure-arc': {},
  'azure-workload-identity': WORKLOAD,
  'oidc-token-file': { CONJUR_OIDC_TOKEN_FILE: '/t' },
  'oidc-client-credentials': {
    CONJUR_OIDC_ISSUER: 'https://idp.example.com',
    CONJUR_OIDC_CLIENT_ID: 'web',
    CONJUR_OIDC_ASSERTION_FILE: '/t',
  },
  'gcp-metadata': { CONJUR_TOKEN_AUDIENCE: 'conjur' },
  aws: {},
  'api-key-file': { CONJUR_AUTHN_API_KEY_FILE: '/k' },
  'k8s-certificate': { MY_POD_NAME: 'web-1', MY_POD_NAMESPACE: 'shop' },
  command: { CONJUR_IDENTITY_COMMAND: '/opt/plugin' },
}

const AUTHENTICATORS = {
  'authn-jwt': 'authn-jwt/prod',
  'authn-azure': 'authn-azure/prod',
  'authn-oidc': 'authn-oidc/prod',
  'authn-gcp': 'authn-gcp',
  'authn-iam': 'authn-iam/prod',
  'authn-k8s': 'authn-k8s/prod',
  authn: 'authn',
} as const

const table = Object.entries(AUTHENTICATORS).flatMap(([type, authenticator]) =>
  identitySources.map((source) => ({
    authenticator,
    source,
    fits: sourcesOf[type as keyof typeof AUTHENTICATORS].includes(source),
  })),
)

test.each(table)('$authenticator with $source: $fits', async ({ authenticator, source, fits }) => {
  const environment = {
    ...LEAST[source],
    CONJUR_AUTHENTICATOR: authenticator,
    CONJUR_IDENTITY_SOURCE: source,
  }

  const lines = await problems(environment)

  expect(lines).toEqual(
    fits
      ? []
      : [
          expect.stringMatching(
            `CONJUR_IDENTITY_SOURCE "${source}" has nothing that ${authenticator.split('/')[0] ?? ''} takes`,
          ),
        ],
  )
})

test('any JWT can be shown to authn-jwt and authn-oidc; keys and signatures cannot', () => {
  const others = identitySources.filter((name) => !sourcesOf['authn-jwt'].includes(name))

  expect(others).toEqual(['aws', 'api-key-file', 'k8s-certificate'])
  expect(sourcesOf['authn-oidc']).toEqual(sourcesOf['authn-jwt'])
})

test.each<[Environment, string, string]>([
  [{ CONJUR_AUTHENTICATOR: 'authn-jwt/prod' }, 'projected-token', 'authn-jwt presents it'],
  [
    { CONJUR_AUTHENTICATOR: 'authn-jwt/prod', ...WORKLOAD, ...APP_SERVICE },
    'projected-token',
    'authn-jwt presents it',
  ],
  [
    { CONJUR_AUTHENTICATOR: 'authn-azure/prod' },
    'azure-imds',
    'authn-azure, and no variable names another source',
  ],
  [
    { CONJUR_AUTHENTICATOR: 'authn-azure/prod', ...WORKLOAD },
    'azure-workload-identity',
    'AZURE_FEDERATED_TOKEN_FILE is set',
  ],
  [
    { CONJUR_AUTHENTICATOR: 'authn-azure/prod', ...APP_SERVICE },
    'azure-app-service',
    'IDENTITY_ENDPOINT and IDENTITY_HEADER are set',
  ],
  [
    {
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      IDENTITY_ENDPOINT: 'http://localhost:40342/m',
      IMDS_ENDPOINT: 'http://localhost:40342',
    },
    'azure-arc',
    'IDENTITY_ENDPOINT and IMDS_ENDPOINT are set',
  ],
  [
    { CONJUR_AUTHENTICATOR: 'authn-oidc/prod', CONJUR_OIDC_TOKEN_FILE: '/t' },
    'oidc-token-file',
    'CONJUR_OIDC_TOKEN_FILE is set',
  ],
  [
    { CONJUR_AUTHENTICATOR: 'authn-oidc/prod', ...LEAST['oidc-client-credentials'] },
    'oidc-client-credentials',
    'CONJUR_OIDC_ISSUER is set',
  ],
  [{ CONJUR_AUTHENTICATOR: 'authn-gcp' }, 'gcp-metadata', 'authn-gcp presents it'],
  [{ CONJUR_AUTHENTICATOR: 'authn-iam/prod' }, 'aws', 'authn-iam presents it'],
  [
    { CONJUR_AUTHENTICATOR: 'authn-k8s/prod', MY_POD_NAME: 'web-1', MY_POD_NAMESPACE: 'shop' },
    'k8s-certificate',
    'authn-k8s presents it',
  ],
  [
    { CONJUR_AUTHENTICATOR: 'authn', CONJUR_AUTHN_API_KEY_FILE: '/k' },
    'api-key-file',
    'authn takes an API key',
  ],
])('%j selects %s', async (environment, kind, reason) => {
  const { identity } = await load(environment)

  expect(identity.source.kind).toBe(kind)
  expect(identity.reason).toBe(reason)
})

test('an explicit choice beats the variables', async () => {
  const { identity } = await load({
    CONJUR_AUTHENTICATOR: 'authn-azure/prod',
    ...WORKLOAD,
    CONJUR_IDENTITY_SOURCE: 'azure-imds',
  })

  expect(identity.source.kind).toBe('azure-imds')
  expect(identity.reason).toBe('set by identitySource')
})

test("authn-gcp's audience is the login", async () => {
  const { identity } = await load({ CONJUR_AUTHENTICATOR: 'authn-gcp' })

  expect(identity.source).toMatchObject({ audience: 'conjur/acme/host/apps/web' })
})

test.each<[Environment, unknown]>([
  [{}, undefined],
  [{ AZURE_CLIENT_ID: 'c' }, { kind: 'clientId', value: 'c' }],
  [
    { AZURE_CLIENT_ID: 'c', CONJUR_AUTHN_AZURE_OBJECT_ID: 'o' },
    { kind: 'objectId', value: 'o' },
  ],
])('%j chooses the managed identity %o', async (environment, selector) => {
  const { identity } = await load({ CONJUR_AUTHENTICATOR: 'authn-azure/prod', ...environment })

  expect(identity.source).toMatchObject({ selector })
})

test.each<[Environment, readonly string[]]>([
  [{}, []],
  [
    { AZURE_CLIENT_ID: 'c' },
    ['AZURE_CLIENT_ID chooses the managed identity; CONJUR_AUTHN_AZURE_CLIENT_ID would win'],
  ],
  [{ AZURE_CLIENT_ID: 'c', CONJUR_AUTHN_AZURE_CLIENT_ID: 'o' }, []],
  [{ AZURE_CLIENT_SECRET: 's' }, ['AZURE_CLIENT_SECRET: not used; an identity needs no secret']],
])('%j is noted', async (environment, texts) => {
  const { notes } = await load({ CONJUR_AUTHENTICATOR: 'authn-azure/prod', ...environment })

  expect(notes.map(({ text }) => text)).toEqual(texts)
})

test('the token proxy of Azure is read with its name and CA', async () => {
  const { identity } = await load({
    CONJUR_AUTHENTICATOR: 'authn-azure/prod',
    ...WORKLOAD,
    AZURE_KUBERNETES_TOKEN_PROXY: 'https://10.0.0.1:6443/proxy',
    AZURE_KUBERNETES_SNI_NAME: 'proxy.example.com',
    AZURE_KUBERNETES_CA_FILE: '/ca',
  })

  expect(identity.source).toMatchObject({
    tokenProxy: {
      url: new URL('https://10.0.0.1:6443/proxy'),
      serverName: 'proxy.example.com',
      ca: { file: '/ca' },
    },
  })
})

test.each<[string, Environment, readonly string[]]>([
  [
    'workload identity alone',
    { CONJUR_AUTHENTICATOR: 'authn-azure/prod', AZURE_FEDERATED_TOKEN_FILE: '/t' },
    ['AZURE_CLIENT_ID', 'AZURE_TENANT_ID'],
  ],
  [
    'half of a token proxy',
    {
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      ...WORKLOAD,
      AZURE_KUBERNETES_SNI_NAME: 's',
      AZURE_KUBERNETES_CA_FILE: '/c',
    },
    ['AZURE_KUBERNETES_SNI_NAME', 'AZURE_KUBERNETES_CA_FILE'],
  ],
  [
    'two CAs',
    {
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      ...WORKLOAD,
      AZURE_KUBERNETES_TOKEN_PROXY: 'https://p',
      AZURE_KUBERNETES_CA_FILE: '/c',
      AZURE_KUBERNETES_CA_DATA: 'c',
    },
    ['AZURE_KUBERNETES_CA_DATA'],
  ],
  [
    'a token proxy without TLS',
    {
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      ...WORKLOAD,
      AZURE_KUBERNETES_TOKEN_PROXY: 'http://p',
    },
    ['AZURE_KUBERNETES_TOKEN_PROXY'],
  ],
  [
    'Service Fabric',
    { CONJUR_AUTHENTICATOR: 'authn-azure/prod', ...APP_SERVICE, IDENTITY_SERVER_THUMBPRINT: 't' },
    ['IDENTITY_SERVER_THUMBPRINT'],
  ],
  [
    'an identity endpoint elsewhere',
    {
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      IDENTITY_ENDPOINT: 'http://8.8.8.8/',
      IDENTITY_HEADER: 'h',
    },
    ['IDENTITY_ENDPOINT'],
  ],
  [
    'a header of two lines',
    { CONJUR_AUTHENTICATOR: 'authn-azure/prod', ...APP_SERVICE, IDENTITY_HEADER: 'a\r\nb' },
    ['IDENTITY_HEADER'],
  ],
  [
    'an Arc endpoint elsewhere',
    {
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      IDENTITY_ENDPOINT: 'http://10.0.0.1/',
      IMDS_ENDPOINT: 'h',
    },
    ['IDENTITY_ENDPOINT'],
  ],
  [
    'two selectors',
    {
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      CONJUR_AUTHN_AZURE_CLIENT_ID: 'c',
      CONJUR_AUTHN_AZURE_OBJECT_ID: 'o',
    },
    ['CONJUR_AUTHN_AZURE_…_ID'],
  ],
  [
    'App Service by name without its variables',
    { CONJUR_AUTHENTICATOR: 'authn-azure/prod', CONJUR_IDENTITY_SOURCE: 'azure-app-service' },
    ['IDENTITY_ENDPOINT', 'IDENTITY_HEADER'],
  ],
  [
    'OpenID without anything',
    { CONJUR_AUTHENTICATOR: 'authn-oidc/prod' },
    ['CONJUR_OIDC_TOKEN_FILE'],
  ],
  [
    'an OpenID provider without client',
    { CONJUR_AUTHENTICATOR: 'authn-oidc/prod', CONJUR_OIDC_ISSUER: 'https://idp.example.com' },
    ['CONJUR_OIDC_ASSERTION_FILE', 'CONJUR_OIDC_CLIENT_ID'],
  ],
  [
    'an OpenID provider without TLS',
    {
      CONJUR_AUTHENTICATOR: 'authn-oidc/prod',
      ...LEAST['oidc-client-credentials'],
      CONJUR_OIDC_ISSUER: 'http://idp.example.com',
    },
    ['CONJUR_OIDC_ISSUER'],
  ],
  ['an API key without file', { CONJUR_AUTHENTICATOR: 'authn' }, ['CONJUR_AUTHN_API_KEY_FILE']],
  [
    'a command that is none',
    {
      CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
      CONJUR_IDENTITY_SOURCE: 'command',
      CONJUR_IDENTITY_COMMAND: 'plugin --x',
    },
    ['CONJUR_IDENTITY_COMMAND'],
  ],
  [
    'half of a key pair',
    { CONJUR_AUTHENTICATOR: 'authn-iam/prod', AWS_ACCESS_KEY_ID: 'a' },
    ['AWS_SECRET_ACCESS_KEY'],
  ],
  [
    'a region of China',
    { CONJUR_AUTHENTICATOR: 'authn-iam/prod', AWS_REGION: 'cn-north-1a' },
    ['AWS_REGION'],
  ],
  [
    'a short token of the API',
    {
      CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
      CONJUR_IDENTITY_SOURCE: 'token-request',
      ...LEAST['token-request'],
      CONJUR_TOKEN_EXPIRATION: '5m',
    },
    ['CONJUR_TOKEN_EXPIRATION'],
  ],
  [
    'a metadata server elsewhere',
    { CONJUR_AUTHENTICATOR: 'authn-gcp', GCE_METADATA_HOST: 'metadata.example.com' },
    ['GCE_METADATA_HOST'],
  ],
  [
    'a service id where there is none',
    { CONJUR_AUTHENTICATOR: 'authn-gcp/prod' },
    ['CONJUR_AUTHENTICATOR'],
  ],
])('P6: %s is a problem that names the variable', async (_what, environment, names) => {
  const lines = await problems(environment)

  for (const name of names) expect(lines.join('\n')).toContain(name)
})

test.each(['authn-azure/prod', 'authn-gcp', 'authn-iam/prod', 'authn'])(
  '%s needs a login',
  async (authenticator) => {
    const lines = await problems({
      CONJUR_AUTHENTICATOR: authenticator,
      CONJUR_AUTHN_API_KEY_FILE: '/k',
      CONJUR_AUTHN_LOGIN: '',
    })

    expect(lines).toEqual([
      `not set CONJUR_AUTHN_LOGIN ${authenticator.split('/')[0] ?? ''} needs it, such as host/apps/web`,
    ])
  },
)

test.each(['["/opt/plugin","--audience","conjur x"]', '/opt/plugin'])(
  '%s is a command',
  async (text) => {
    const { identity } = await load({
      CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
      CONJUR_IDENTITY_SOURCE: 'command',
      CONJUR_IDENTITY_COMMAND: text,
    })

    expect(identity.source).toMatchObject({
      command: text.startsWith('[') ? JSON.parse(text) : [text],
    })
  },
)

test('P2: what holds a secret does not print it', async () => {
  const azure = await load({ CONJUR_AUTHENTICATOR: 'authn-azure/prod', ...APP_SERVICE })
  const aws = await load({
    CONJUR_AUTHENTICATOR: 'authn-iam/prod',
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 's3cr3t',
  })

  expect(JSON.stringify([azure, aws])).not.toMatch(/h3ad3r|s3cr3t/)
})

function load(environment: Environment): Promise<AgentConfig> {
  return loadConfig(given(environment))
}

async function problems(environment: Environment): Promise<readonly string[]> {
  const { config } = await readConfig(given(environment))
  if (config !== undefined) return []
  const error: unknown = await loadConfig(given(environment)).catch((error: unknown) => error)
  return error instanceof ConfigError
    ? error.lines.map((line) => line.replaceAll(/ {2,}/g, ' '))
    : [String(error)]
}

function given(environment: Environment): Parameters<typeof loadConfig>[0] {
  return {
    flags: {},
    annotations: undefined,
    file: undefined,
    environment: { ...CONJUR, ...environment },
  }
}
