import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, expect, test } from 'vitest'

import { Secret } from '../../src/core/secret.ts'
import {
  createSource,
  type SourceChoice,
  type SourceSurroundings,
} from '../../src/identity/create.ts'
import type { IdentitySource } from '../../src/identity/source.ts'
import { hastyClock } from '../support/fake-clock.ts'
import { reply, scriptedSend } from '../support/scripted-send.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { unsignedJwt } from '../support/told.ts'

const directory = await temporaryDirectory()
const path = join(directory.path, 'token')
await writeFile(path, unsignedJwt())
afterAll(() => directory[Symbol.asyncDispose]())

const resource = 'https://management.azure.com/'
const AZURE = {
  kind: 'azure-workload-identity',
  tokenFile: path,
  clientId: 'c-web',
  tenantId: 't-1',
  authorityHost: new URL('https://login.microsoftonline.com/'),
  resource,
} as const
const PROXY = { url: new URL('https://proxy.example.com/'), serverName: 'x', ca: undefined }

test.each<[SourceChoice, string, string]>([
  [
    { kind: 'azure-imds', apiVersion: '2018-02-01', resource },
    'toPlatform GET',
    'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F',
  ],
  [
    {
      kind: 'azure-app-service',
      endpoint: new URL('http://localhost:42356/msi/token'),
      headerValue: new Secret('header'),
      protocol: '2019-08-01',
      resource,
    },
    'toPlatform GET',
    'http://localhost:42356/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com%2F',
  ],
  [
    { kind: 'azure-arc', resource },
    'toPlatform GET',
    'http://127.0.0.1:40342/metadata/identity/oauth2/token?api-version=2020-06-01&resource=https%3A%2F%2Fmanagement.azure.com%2F',
  ],
  [
    { ...AZURE, tokenProxy: undefined },
    'toInternet POST',
    'https://login.microsoftonline.com/t-1/oauth2/v2.0/token',
  ],
  [
    { ...AZURE, tokenProxy: PROXY },
    'toTokenProxy POST',
    'https://proxy.example.com/t-1/oauth2/v2.0/token',
  ],
  [
    {
      kind: 'oidc-client-credentials',
      issuer: 'https://id.example.com',
      clientId: 'web',
      proof: { kind: 'assertion', file: path },
      scope: 'openid',
      tokenField: 'id_token',
    },
    'toInternet GET',
    'https://id.example.com/.well-known/openid-configuration',
  ],
  [
    { kind: 'gcp-metadata', audience: 'conjur/acme/host/web' },
    'toPlatform GET',
    'http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/identity?audience=conjur%2Facme%2Fhost%2Fweb&format=full',
  ],
  [
    { kind: 'aws', origin: { kind: 'instance', baseUrl: new URL('http://169.254.169.254') } },
    'toPlatform PUT',
    'http://169.254.169.254/latest/api/token',
  ],
  [
    {
      kind: 'aws',
      origin: { kind: 'web-identity', tokenFile: path, roleArn: 'arn', sessionName: 's' },
    },
    'toInternet POST',
    'https://sts.us-east-1.amazonaws.com/',
  ],
  [
    {
      kind: 'k8s-certificate',
      injectUrl: new URL('https://conjur.example.com/authn-k8s/prod/inject_client_cert'),
      login: 'host/web',
      namespace: 'shop',
      podName: 'web-1',
      certificatePath: join(directory.path, 'certificate'),
      looks: 1,
    },
    'toConjur POST',
    'https://conjur.example.com/authn-k8s/prod/inject_client_cert',
  ],
])('P8 $kind goes out one way only (%#)', async (choice, way, url) => {
  const { source, asked } = made(choice)

  await source.token(new AbortController().signal).catch(() => undefined)

  expect(source.name).toBe(choice.kind)
  expect(source.watched).toEqual(
    'tokenFile' in choice ||
      'proof' in choice ||
      (choice.kind === 'aws' && choice.origin.kind === 'web-identity')
      ? [path]
      : [],
  )
  expect(asked[0]).toBe(`${way} ${url}`)
  expect(new Set(asked.map((line) => line.split(' ')[0]))).toEqual(new Set([way.split(' ')[0]]))
})

test.each([
  { kind: 'projected-token', path, setting: 'JWT_TOKEN_PATH' },
  { kind: 'oidc-token-file', path, setting: 'CONJUR_AUTHN_TOKEN' },
  { kind: 'api-key-file', path },
] as const)('$kind reads a file, watches it and asks nobody', async (choice) => {
  const { source, asked } = made(choice)

  const { secret } = await source.token(new AbortController().signal)

  expect(secret.text()).toBe(unsignedJwt())
  expect(source).toMatchObject({ name: choice.kind, watched: [path] })
  expect(asked).toEqual([])
})

test('token-request asks the Kubernetes API, with the patience of all', async () => {
  const request = {
    namespace: 'shop',
    serviceAccount: 'web',
    audiences: ['conjur'],
    expirationSeconds: 600,
  }
  const { source, asked } = made({ kind: 'token-request', request })

  await source.token(new AbortController().signal).catch(() => undefined)

  expect(source).toMatchObject({ name: 'token-request', watched: [] })
  expect(asked).toEqual([`createToken ${JSON.stringify(request)}`])
})

test('a command has the environment of the process', async () => {
  const { source } = made({
    kind: 'command',
    command: ['/bin/sh', '-c', `printf '{"apiKey":"%s"}' "$FROM_OUTSIDE"`],
    yields: 'api-key',
    deadlineMs: 10_000,
  })

  const { secret } = await source.token(new AbortController().signal)

  expect(secret.text()).toBe('it is here')
  expect(source.name).toBe('command')
})

interface Made {
  readonly source: IdentitySource
  /** What was asked, and which way it went. */
  readonly asked: readonly string[]
}

function made(choice: SourceChoice): Made {
  const asked: string[] = []
  const way = (name: string): SourceSurroundings['toPlatform'] =>
    scriptedSend(({ method, url }) => {
      asked.push(`${name} ${method} ${url.href}`)
      return reply(418)
    }).send
  const source = createSource(choice, {
    clock: hastyClock(),
    random: () => 0,
    toPlatform: way('toPlatform'),
    toInternet: way('toInternet'),
    toConjur: way('toConjur'),
    toTokenProxy: ({ url }) => (url === PROXY.url ? way('toTokenProxy') : way('elsewhere')),
    createToken: async (request) => {
      asked.push(`createToken ${JSON.stringify(request)}`)
      return { status: 403, reason: 'Forbidden' }
    },
    environment: { FROM_OUTSIDE: 'it is here' },
  })
  return { source, asked }
}
