import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ConfigError } from '../../src/core/errors.ts'
import { loadSettings } from '../../src/injector/load-settings.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { ENVIRONMENT } from './pods.ts'

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'

async function load(yaml: string | undefined, environment: object = ENVIRONMENT) {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'injector.yaml')
  await writeFile(path, yaml ?? '')
  return await loadSettings({
    command: 'injector',
    flags: { image: 'agent:1', ...(yaml === undefined ? {} : { config: path }) },
    positionals: [],
    environment: { ...environment },
  })
}

async function problemsOf(loading: Promise<unknown>): Promise<readonly string[]> {
  const error = await loading.catch((caught: unknown) => caught)
  if (!(error instanceof ConfigError)) throw new Error('no ConfigError')
  return error.lines.map((line) => line.replaceAll(/ {2,}/g, ' | '))
}

test('flags and environment alone are enough', async () => {
  const { injection } = await load(undefined, { ...ENVIRONMENT, CONJUR_SSL_CERTIFICATE: PEM })

  expect(injection.conjur.environment).toEqual([
    { name: 'CONJUR_APPLIANCE_URL', value: 'https://conjur.example.com' },
    { name: 'CONJUR_ACCOUNT', value: 'acme' },
    { name: 'CONJUR_AUTHENTICATOR', value: 'authn-jwt/prod' },
    { name: 'CONJUR_SSL_CERTIFICATE', value: PEM },
  ])
  expect(injection).toMatchObject({
    image: 'agent:1',
    ownNamespace: 'conjur-agent',
    token: { audience: 'conjur', expirationSeconds: 3600 },
  })
})

test('the authenticator is read off CONJUR_AUTHN_URL by its path', async () => {
  const { injection } = await load(undefined, {
    CONJUR_AUTHN_URL: 'https://authn-jwt.example.com/authn-azure/prod',
    CONJUR_ACCOUNT: 'acme',
  })

  expect(injection.conjur.authenticator).toBe('authn-azure/prod')
})

test('the keys of the golden ConfigMap count where the others are silent', async () => {
  const { injection } = await load(undefined, {
    conjurAccount: 'acme',
    conjurApplianceUrl: 'https://golden.example.com',
    conjurSslCertificate: PEM,
    CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
  })

  expect(injection.conjur.environment.map(({ value }) => value)).toEqual([
    'https://golden.example.com',
    'acme',
    'authn-jwt/prod',
    PEM,
  ])
})

test('P6: everything that is wrong is reported at once, with name and place', async () => {
  const problems = await problemsOf(
    load(
      `
token: { expirationSeconds: 60 }
agent: { mode: daemon, resources: { limits: { memory: 1Gi } }, refreshInterval: soon }
anotationPolicy: {}
conjur: { loginTemplate: 'apps/{pod}' }
`,
      { CONJUR_APPLIANCE_URL: 'http://conjur.example.com', CONJUR_SSL_CERTIFICATE: 'none' },
    ),
  )

  expect(problems).toEqual([
    'config file | token.expirationSeconds | expected >=600 but received 60',
    'config file | agent.mode | expected ("sidecar" | "init" | "both") but received "daemon"',
    'config file | agent.resources.limits.memory | "1Gi" is above 256Mi, the most an agent may have',
    'config file | anotationPolicy | unknown',
    'environment | CONJUR_SSL_CERTIFICATE | holds no PEM certificate (-----BEGIN CERTIFICATE-----)',
    'environment | CONJUR_APPLIANCE_URL | "http://conjur.example.com" is not https',
    "not set | CONJUR_ACCOUNT | Conjur's name for your organisation, such as acme",
    'not set | CONJUR_AUTHENTICATOR | the authenticator, such as authn-jwt/prod',
  ])
})

test('a login template names nothing but namespace and service account', async () => {
  const problems = await problemsOf(load("conjur: { loginTemplate: 'apps/{pod}' }"))

  expect(problems).toEqual([
    'config file | conjur.loginTemplate | {pod} is neither {namespace} nor {serviceAccount}',
    'config file | conjur.loginTemplate | does not start with host/',
  ])
})

test("a ConfigMap of each namespace stands in for what the administrator's environment lacks", async () => {
  const { injection } = await load('conjur: { namespaceConfigMap: conjur-connect }', {
    CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
  })

  expect(injection.conjur.environment).toContainEqual({
    name: 'CONJUR_ACCOUNT',
    valueFrom: {
      configMapKeyRef: { name: 'conjur-connect', key: 'CONJUR_ACCOUNT', optional: false },
    },
  })
  expect(injection.conjur.environment).toContainEqual({
    name: 'CONJUR_AUTHENTICATOR',
    value: 'authn-jwt/prod',
  })
})

test('a second authenticator for workload identity keeps the rest of the connection', async () => {
  const { injection } = await load('conjur: { workloadIdentityAuthenticator: authn-azure/prod }', {
    CONJUR_AUTHN_URL: 'https://conjur.example.com/authn-jwt/prod',
    CONJUR_ACCOUNT: 'acme',
  })

  expect(injection.conjur.workloadIdentity).toEqual({
    authenticator: 'authn-azure/prod',
    environment: [
      { name: 'CONJUR_APPLIANCE_URL', value: 'https://conjur.example.com/' },
      { name: 'CONJUR_ACCOUNT', value: 'acme' },
      { name: 'CONJUR_AUTHENTICATOR', value: 'authn-azure/prod' },
    ],
  })
})

test('several servers reach the pods as they are written, and stay several under a second authenticator', async () => {
  const both = 'https://a.example.com/authn-jwt/prod, https://b.example.com/api/authn-jwt/prod'
  const { injection } = await load('conjur: { workloadIdentityAuthenticator: authn-azure/prod }', {
    CONJUR_AUTHN_URL: both,
    CONJUR_ACCOUNT: 'acme',
  })

  expect(injection.conjur.environment).toContainEqual({ name: 'CONJUR_AUTHN_URL', value: both })
  expect(injection.conjur.workloadIdentity?.environment).toContainEqual({
    name: 'CONJUR_APPLIANCE_URL',
    value: 'https://a.example.com/,https://b.example.com/api',
  })
})

test('hibernating as the usual way needs the image with a shell', async () => {
  expect(await problemsOf(load('agent: { idle: hibernate }'))).toEqual([
    'config file | agent.hibernateImage | is missing; agent.idle hibernate needs the image whose tag ends in -hibernate',
  ])
  const { injection } = await load(
    'agent: { idle: hibernate, hibernateImage: "agent:1-hibernate" }',
  )
  expect(injection.agent).toMatchObject({
    idle: 'hibernate',
    hibernateImage: 'agent:1-hibernate',
    environment: expect.arrayContaining([{ name: 'CONJUR_IDLE', value: 'hibernate' }]),
  })
})
