import { expect, test } from 'vitest'

import { selectAzureSource } from '../../src/config/azure-source.ts'

const FEDERATED = { AZURE_FEDERATED_TOKEN_FILE: '/t' }
const PAIR = { IDENTITY_ENDPOINT: 'http://localhost:42356/msi/token', IDENTITY_HEADER: 'h' }
const OLDER_PAIR = { MSI_ENDPOINT: 'http://x', MSI_SECRET: 's' }
const ARC = {
  IDENTITY_ENDPOINT: 'http://localhost:40342/m',
  IMDS_ENDPOINT: 'http://localhost:40342',
}
const CONTAINER_GROUP = { IDENTITY_HEADER: 'h', IDENTITY_SERVER_THUMBPRINT: 't' }
const WINDOWS = {
  ...PAIR,
  IDENTITY_ENDPOINT: 'http://10.0.0.1:2377/metadata/identity/oauth2/token?v=1',
}

test.each<[string, Record<string, string>, string, string]>([
  ['workload identity', FEDERATED, 'azure-workload-identity', 'AZURE_FEDERATED_TOKEN_FILE is set'],
  [
    'workload identity beside others',
    { ...FEDERATED, ...PAIR },
    'azure-workload-identity',
    'AZURE_FEDERATED_TOKEN_FILE is set',
  ],
  [
    'App Service',
    { ...PAIR, ...OLDER_PAIR },
    'azure-app-service',
    'IDENTITY_ENDPOINT and IDENTITY_HEADER are set',
  ],
  [
    'Container Apps',
    { ...PAIR, MSI_ENDPOINT: 'http://x' },
    'azure-app-service',
    'IDENTITY_ENDPOINT and IDENTITY_HEADER are set',
  ],
  ['Arc', ARC, 'azure-arc', 'IDENTITY_ENDPOINT and IMDS_ENDPOINT are set'],
  ['App Service of 2017', OLDER_PAIR, 'azure-app-service', 'MSI_ENDPOINT and MSI_SECRET are set'],
  [
    'Container Instances',
    CONTAINER_GROUP,
    'azure-imds',
    'authn-azure, and no variable names another source',
  ],
  ['a virtual machine', {}, 'azure-imds', 'authn-azure, and no variable names another source'],
  [
    'empty variables',
    { AZURE_FEDERATED_TOKEN_FILE: '', IDENTITY_ENDPOINT: '' },
    'azure-imds',
    'authn-azure, and no variable names another source',
  ],
  [
    'a client id alone',
    { AZURE_CLIENT_ID: 'c' },
    'azure-imds',
    'authn-azure, and no variable names another source',
  ],
])('%s', (_where, environment, source, because) => {
  expect(selectAzureSource({ environment, hasArcAgent: false })).toEqual({ source, because })
})

test('the Arc agent on the machine decides where no variable does', () => {
  expect(selectAzureSource({ environment: {}, hasArcAgent: true })).toEqual({
    source: 'azure-arc',
    because: '/opt/azcmagent/bin/himds is installed',
  })
  expect(selectAzureSource({ environment: PAIR, hasArcAgent: true })).toMatchObject({
    source: 'azure-app-service',
  })
})

test.each<[string, Record<string, string>, string]>([
  ['Service Fabric', { ...PAIR, IDENTITY_SERVER_THUMBPRINT: 't' }, 'IDENTITY_SERVER_THUMBPRINT'],
  ['Windows in Container Instances', WINDOWS, 'IDENTITY_ENDPOINT'],
  ['Cloud Shell', { MSI_ENDPOINT: 'http://localhost:50342/oauth2/token' }, 'MSI_ENDPOINT'],
])('%s is a problem that names the variable', (place, environment, name) => {
  expect(selectAzureSource({ environment, hasArcAgent: false })).toMatchObject({
    problems: [{ name, what: `belongs to ${place}, whose identities this version cannot use` }],
  })
})

test('a variable of white space is a problem, not a choice', () => {
  expect(
    selectAzureSource({ environment: { IDENTITY_ENDPOINT: ' ' }, hasArcAgent: false }),
  ).toMatchObject({
    problems: [{ name: 'IDENTITY_ENDPOINT', what: 'holds nothing but white space' }],
  })
})
