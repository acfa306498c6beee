import { expect, test } from 'vitest'

import { selectAzureSource } from '../../src/identity/select.ts'

const WORKLOAD = { AZURE_FEDERATED_TOKEN_FILE: '/t', AZURE_CLIENT_ID: 'c', AZURE_TENANT_ID: 't' }
const PAIR = { IDENTITY_ENDPOINT: 'http://localhost:42356/msi/token', IDENTITY_HEADER: 'h' }

test.each<[string, Record<string, string>, string, readonly string[]]>([
  ['AKS workload identity', WORKLOAD, 'azure-workload-identity', ['AZURE_FEDERATED_TOKEN_FILE']],
  [
    'workload identity beside App Service',
    { ...WORKLOAD, ...PAIR },
    'azure-workload-identity',
    ['AZURE_FEDERATED_TOKEN_FILE'],
  ],
  [
    'App Service with both pairs',
    { ...PAIR, MSI_ENDPOINT: 'http://x', MSI_SECRET: 's' },
    'azure-app-service',
    ['IDENTITY_ENDPOINT', 'IDENTITY_HEADER'],
  ],
  [
    'Container Apps',
    { ...PAIR, MSI_ENDPOINT: 'http://localhost:42356/msi/token' },
    'azure-app-service',
    ['IDENTITY_ENDPOINT', 'IDENTITY_HEADER'],
  ],
  [
    'Arc',
    { IDENTITY_ENDPOINT: 'http://localhost:40342/m', IMDS_ENDPOINT: 'http://localhost:40342' },
    'azure-arc',
    ['IDENTITY_ENDPOINT', 'IMDS_ENDPOINT'],
  ],
  [
    'App Service of 2017',
    { MSI_ENDPOINT: 'http://x', MSI_SECRET: 's' },
    'azure-app-service',
    ['MSI_ENDPOINT', 'MSI_SECRET'],
  ],
  [
    'Container Instances',
    { IDENTITY_HEADER: 'h', IDENTITY_SERVER_THUMBPRINT: 't', IDENTITY_API_VERSION: 'v' },
    'azure-imds',
    [],
  ],
  ['a virtual machine', {}, 'azure-imds', []],
  ['empty variables', { AZURE_FEDERATED_TOKEN_FILE: '', IDENTITY_ENDPOINT: '' }, 'azure-imds', []],
  ['a client id alone', { AZURE_CLIENT_ID: 'c' }, 'azure-imds', []],
])('%s', (_where, environment, source, because) => {
  expect(selectAzureSource({ environment, hasArcAgent: false })).toEqual({ source, because })
})

test('the Arc agent on the machine decides where no variable does', () => {
  expect(selectAzureSource({ environment: {}, hasArcAgent: true })).toEqual({
    source: 'azure-arc',
    because: [],
  })
  expect(selectAzureSource({ environment: PAIR, hasArcAgent: true })).toMatchObject({
    source: 'azure-app-service',
  })
})

test.each<[string, Record<string, string>, readonly string[]]>([
  ['Service Fabric', { ...PAIR, IDENTITY_SERVER_THUMBPRINT: 't' }, ['IDENTITY_SERVER_THUMBPRINT']],
  [
    'Windows containers',
    {
      IDENTITY_ENDPOINT: 'http://10.0.0.1:2377/metadata/identity/oauth2/token?api-version=1',
      IDENTITY_HEADER: 'h',
    },
    ['IDENTITY_ENDPOINT'],
  ],
  ['Cloud Shell', { MSI_ENDPOINT: 'http://localhost:50342/oauth2/token' }, ['MSI_ENDPOINT']],
  [
    'workload identity without client id',
    { AZURE_FEDERATED_TOKEN_FILE: '/t', AZURE_TENANT_ID: 't' },
    ['AZURE_CLIENT_ID'],
  ],
  [
    'workload identity alone',
    { AZURE_FEDERATED_TOKEN_FILE: '/t' },
    ['AZURE_CLIENT_ID', 'AZURE_TENANT_ID'],
  ],
  ['white space', { IDENTITY_ENDPOINT: ' ' }, ['IDENTITY_ENDPOINT']],
  [
    'a token proxy of half',
    { ...WORKLOAD, AZURE_KUBERNETES_SNI_NAME: 's', AZURE_KUBERNETES_CA_FILE: '/c' },
    ['AZURE_KUBERNETES_SNI_NAME', 'AZURE_KUBERNETES_CA_FILE'],
  ],
  [
    'a token proxy with two CAs',
    {
      ...WORKLOAD,
      AZURE_KUBERNETES_TOKEN_PROXY: 'https://p',
      AZURE_KUBERNETES_CA_FILE: '/c',
      AZURE_KUBERNETES_CA_DATA: 'c',
    },
    ['AZURE_KUBERNETES_CA_DATA'],
  ],
  [
    'a token proxy without TLS',
    { ...WORKLOAD, AZURE_KUBERNETES_TOKEN_PROXY: 'http://p' },
    ['AZURE_KUBERNETES_TOKEN_PROXY'],
  ],
  [
    'a token proxy with a query',
    { ...WORKLOAD, AZURE_KUBERNETES_TOKEN_PROXY: 'https://p/?q' },
    ['AZURE_KUBERNETES_TOKEN_PROXY'],
  ],
])('%s is a problem that names the variable', (_what, environment, names) => {
  const selection = selectAzureSource({ environment, hasArcAgent: false })

  expect('problems' in selection ? selection.problems.map(({ name }) => name) : selection).toEqual(
    names,
  )
})
