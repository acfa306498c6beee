import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { apiKeyFile } from '../../src/identity/api-key-file.ts'
import { aws } from '../../src/identity/aws.ts'
import type { AwsOrigin } from '../../src/identity/aws-origin.ts'
import { azureAppService } from '../../src/identity/azure-app-service.ts'
import { azureArc } from '../../src/identity/azure-arc.ts'
import { azureImds } from '../../src/identity/azure-imds.ts'
import { azureWorkload } from '../../src/identity/azure-workload.ts'
import { command } from '../../src/identity/command.ts'
import { gcpMetadata } from '../../src/identity/gcp-metadata.ts'
import { oidcClientCredentials } from '../../src/identity/oidc-client-credentials.ts'
import { projectedToken } from '../../src/identity/projected-token.ts'
import {
  readPlatformToken,
  type Credential,
  type IdentitySource,
} from '../../src/identity/source.ts'
import { tokenRequest } from '../../src/identity/token-request.ts'
import { Secret } from '../../src/core/secret.ts'
import { fakeIdentity } from './fake-identity.ts'
import { hastyClock, type FakeClock } from './fake-clock.ts'
import { simulatedAppService } from './platform-simulator/app-service.ts'
import { ARC_HOST, simulatedArc } from './platform-simulator/arc.ts'
import {
  AWS_KEYS,
  ECS_HOST,
  INSTANCE_HOST,
  POD_IDENTITY_HOST,
  simulatedContainer,
  simulatedInstance,
  simulatedSts,
} from './platform-simulator/aws.ts'
import { simulatedEntra } from './platform-simulator/entra.ts'
import { GCP_HOST, simulatedGcp } from './platform-simulator/gcp.ts'
import { IMDS_HOST, simulatedImds, type ManagedIdentity } from './platform-simulator/imds.ts'
import { simulatedProvider } from './platform-simulator/oidc.ts'
import { startPlatform, type Platform } from './platform-simulator/platform.ts'
import { temporaryDirectory } from './temporary-directory.ts'
import { azureClaims, serviceAccountClaims, tokenMaker } from './token-maker.ts'

/** One implementation of the port with its platform simulated around it. */
export interface Rig extends AsyncDisposable {
  readonly source: IdentitySource
  readonly clock: FakeClock
  /** The simulated platform, and the host that the source asks first. */
  readonly wire?: { readonly platform: Platform; readonly host: string }
  /** Takes the identity away, so that the source must fail. */
  readonly breakIt: () => Promise<void>
  /** Texts that no error and no print may hold. */
  readonly secrets: () => readonly string[]
}

export interface RigMaker {
  readonly name: string
  readonly kind: Credential['kind']
  /** What the platform's answer looks like. */
  readonly over: 'no network' | 'JSON with access_token' | 'other HTTP'
  readonly start: () => Promise<Rig>
}

const TENANT = '0f1e2d3c-1111-4a4a-8b8b-000000000001'
const CLIENT = '7c7c7c7c-3333-4d4d-8e8e-000000000003'
const RESOURCE = 'https://management.azure.com/'
const SYSTEM: ManagedIdentity = { kind: 'system', clientId: 'c', objectId: 'o', resourceId: '/r' }

const entra = await tokenMaker({ issuer: `https://sts.windows.net/${TENANT}/` })
const cluster = await tokenMaker({ issuer: 'https://oidc.example.com/c7/' })
const google = await tokenMaker({ issuer: 'https://accounts.google.com' })
const federation = {
  issuer: cluster.issuer,
  subject: 'system:serviceaccount:shop:web',
  jwks: { keys: [...cluster.jwks.keys] },
}

/** Every implementation of the port, and the fake that other suites use in its place. */
export const rigMakers: readonly RigMaker[] = [
  { name: 'fake', kind: 'jwt', over: 'no network', start: startFake },
  { name: 'projected-token', kind: 'jwt', over: 'no network', start: () => fileRig('JWT') },
  { name: 'api-key-file', kind: 'api-key', over: 'no network', start: () => fileRig('API key') },
  { name: 'command', kind: 'jwt', over: 'no network', start: startCommand },
  { name: 'token-request', kind: 'jwt', over: 'no network', start: startTokenRequest },
  { name: 'azure-imds', kind: 'jwt', over: 'JSON with access_token', start: startImds },
  {
    name: 'azure-app-service',
    kind: 'jwt',
    over: 'JSON with access_token',
    start: () => startAppService('2019-08-01'),
  },
  {
    name: 'azure-app-service of 2017',
    kind: 'jwt',
    over: 'JSON with access_token',
    start: () => startAppService('2017-09-01'),
  },
  { name: 'azure-arc', kind: 'jwt', over: 'other HTTP', start: startArc },
  {
    name: 'azure-workload-identity',
    kind: 'jwt',
    over: 'JSON with access_token',
    start: startWorkload,
  },
  { name: 'oidc-client-credentials', kind: 'jwt', over: 'other HTTP', start: startOidc },
  { name: 'gcp-metadata', kind: 'jwt', over: 'other HTTP', start: startGcp },
  {
    name: 'aws on an instance',
    kind: 'signed-headers',
    over: 'other HTTP',
    start: () => startAws('instance'),
  },
  { name: 'aws in ECS', kind: 'signed-headers', over: 'other HTTP', start: () => startAws('ecs') },
  {
    name: 'aws by EKS Pod Identity',
    kind: 'signed-headers',
    over: 'other HTTP',
    start: () => startAws('pod-identity'),
  },
  {
    name: 'aws by web identity',
    kind: 'signed-headers',
    over: 'other HTTP',
    start: () => startAws('web-identity'),
  },
]

/** Tokens of a maker, each different, remembered as secrets. */
function minting(make: (jti: string) => Promise<string>): {
  mint: () => Promise<string>
  minted: string[]
} {
  const minted: string[] = []
  const mint = async (): Promise<string> => {
    const jwt = await make(String(minted.length))
    minted.push(jwt)
    return jwt
  }
  return { mint, minted }
}

function patience(clock: FakeClock): { clock: FakeClock; random: () => number; budgetMs: number } {
  return { clock, random: () => 0, budgetMs: 10_000 }
}

async function startFake(): Promise<Rig> {
  const clock = hastyClock()
  const jwt = await cluster.make(serviceAccountClaims())
  const source = fakeIdentity(readPlatformToken(jwt, { from: 'the fake', now: clock.now() }))
  const gone = await projectedToken({ path: '/nowhere', clock })
    .token(new AbortController().signal)
    .catch((error: unknown) => error)
  return {
    source,
    clock,
    breakIt: () => {
      source.next = gone as typeof source.next
      return Promise.resolve()
    },
    secrets: () => [jwt],
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

async function fileRig(what: 'JWT' | 'API key'): Promise<Rig> {
  const clock = hastyClock()
  const directory = await temporaryDirectory()
  const path = join(directory.path, 'secret')
  const secret = what === 'JWT' ? await cluster.make(serviceAccountClaims()) : '3x4mpl3-4p1-k3y'
  await writeFile(path, `${secret}\n`)
  return {
    source: what === 'JWT' ? projectedToken({ path, clock }) : apiKeyFile({ path }),
    clock,
    breakIt: () => rm(path),
    secrets: () => [secret],
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

async function startCommand(): Promise<Rig> {
  const clock = hastyClock()
  const directory = await temporaryDirectory()
  const [program, answer] = [join(directory.path, 'plugin'), join(directory.path, 'answer')]
  const jwt = await cluster.make(serviceAccountClaims())
  await writeFile(answer, JSON.stringify({ token: jwt }))
  await writeFile(program, '#!/bin/sh\nexec cat "$1"\n')
  await chmod(program, 0o755)
  return {
    source: command({
      command: [program, answer],
      yields: 'jwt',
      environment: { PATH: process.env['PATH'] },
      deadlineMs: 5000,
      clock,
    }),
    clock,
    breakIt: () => rm(answer),
    secrets: () => [jwt],
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

async function startTokenRequest(): Promise<Rig> {
  const clock = hastyClock()
  const { mint, minted } = minting((jti) => cluster.make(serviceAccountClaims({ jti })))
  let broken = false
  const source = tokenRequest({
    ...patience(clock),
    createToken: async () =>
      broken ? { status: 403, reason: 'forbidden' } : { token: await mint() },
    request: {
      namespace: 'shop',
      serviceAccount: 'web',
      audiences: ['conjur'],
      expirationSeconds: 900,
    },
  })
  return {
    source,
    clock,
    breakIt: () => {
      broken = true
      return Promise.resolve()
    },
    secrets: () => minted,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

async function startImds(): Promise<Rig> {
  const clock = hastyClock()
  const { mint, minted } = minting((jti) => entra.make(azureClaims({ jti })))
  let attached = [SYSTEM]
  const platform = await startPlatform(
    { [IMDS_HOST]: simulatedImds({ identities: () => attached, tokenFor: mint }) },
    clock,
  )
  return httpRig({
    clock,
    platform,
    host: IMDS_HOST,
    source: azureImds({
      ...patience(clock),
      send: platform.send,
      apiVersion: '2018-02-01',
      resource: RESOURCE,
    }),
    breakIt: () => {
      attached = []
    },
    secrets: () => minted,
  })
}

async function startAppService(protocol: '2019-08-01' | '2017-09-01'): Promise<Rig> {
  const clock = hastyClock()
  const { mint, minted } = minting((jti) => entra.make(azureClaims({ jti })))
  let attached = [SYSTEM]
  const host = 'localhost:42356'
  const header = 'b5b5b5b5-header-secret'
  const endpoint = simulatedAppService({
    header: () => header,
    identities: () => attached,
    tokenFor: mint,
  })
  const platform = await startPlatform({ [host]: endpoint }, clock)
  return httpRig({
    clock,
    platform,
    host,
    source: azureAppService({
      ...patience(clock),
      send: platform.send,
      endpoint: new URL(`http://${host}/msi/token?own=1`),
      header: () => new Secret(header),
      protocol,
      resource: RESOURCE,
    }),
    breakIt: () => {
      attached = []
    },
    secrets: () => [...minted, header],
  })
}

async function startArc(): Promise<Rig> {
  const clock = hastyClock()
  const directory = await temporaryDirectory()
  const { mint, minted } = minting((jti) => entra.make(azureClaims({ jti })))
  let attached = [SYSTEM]
  const endpoint = simulatedArc({
    tokensDirectory: directory.path,
    identities: () => attached,
    tokenFor: mint,
  })
  const platform = await startPlatform({ [ARC_HOST]: endpoint }, clock)
  const rig = httpRig({
    clock,
    platform,
    host: ARC_HOST,
    source: azureArc({
      ...patience(clock),
      send: platform.send,
      resource: RESOURCE,
      tokensDirectory: directory.path,
    }),
    breakIt: () => {
      attached = []
    },
    secrets: () => minted,
  })
  return {
    ...rig,
    [Symbol.asyncDispose]: () =>
      Promise.all([platform.close(), directory[Symbol.asyncDispose]()]).then(() => {}),
  }
}

async function startWorkload(): Promise<Rig> {
  const clock = hastyClock()
  const directory = await temporaryDirectory()
  const tokenFile = join(directory.path, 'azure-identity-token')
  const assertion = await cluster.make(serviceAccountClaims({ aud: 'api://AzureADTokenExchange' }))
  await writeFile(tokenFile, assertion)
  const { mint, minted } = minting((jti) => entra.make(azureClaims({ jti })))
  const host = 'login.microsoftonline.com'
  const endpoint = simulatedEntra({
    tenantId: TENANT,
    clientId: CLIENT,
    federation: { ...federation, audience: 'api://AzureADTokenExchange' },
    token: mint,
    now: () => clock.now(),
  })
  const platform = await startPlatform({ [host]: endpoint }, clock)
  const rig = httpRig({
    clock,
    platform,
    host,
    source: azureWorkload({
      ...patience(clock),
      send: platform.send,
      tokenFile,
      clientId: CLIENT,
      tenantId: TENANT,
      authorityHost: new URL(`https://${host}/`),
      resource: RESOURCE,
    }),
    breakIt: () => rm(tokenFile),
    secrets: () => [...minted, assertion],
  })
  return {
    ...rig,
    [Symbol.asyncDispose]: () =>
      Promise.all([platform.close(), directory[Symbol.asyncDispose]()]).then(() => {}),
  }
}

async function startOidc(): Promise<Rig> {
  const clock = hastyClock()
  const directory = await temporaryDirectory()
  const file = join(directory.path, 'client-secret')
  const clientSecret = 'p@ss: 100%+ü'
  await writeFile(file, `${clientSecret}\n`)
  const { mint, minted } = minting((jti) => cluster.make({ sub: 'web', jti }))
  const host = 'idp.example.com'
  const endpoint = simulatedProvider({
    issuer: `https://${host}/realms/acme`,
    clientId: 'web:1',
    clientSecret,
    tokens: async () => ({ id_token: await mint(), access_token: 'opaque' }),
    now: () => clock.now(),
  })
  const platform = await startPlatform({ [host]: endpoint }, clock)
  const rig = httpRig({
    clock,
    platform,
    host,
    source: oidcClientCredentials({
      ...patience(clock),
      send: platform.send,
      issuer: `https://${host}/realms/acme`,
      clientId: 'web:1',
      proof: { kind: 'secret', file },
      scope: 'openid',
      tokenField: 'id_token',
    }),
    breakIt: () => writeFile(file, 'wrong'),
    secrets: () => [...minted, clientSecret],
  })
  return {
    ...rig,
    [Symbol.asyncDispose]: () =>
      Promise.all([platform.close(), directory[Symbol.asyncDispose]()]).then(() => {}),
  }
}

async function startGcp(): Promise<Rig> {
  const clock = hastyClock()
  const { mint, minted } = minting((jti) => google.make({ sub: '1234567890', jti }))
  const platform = await startPlatform({ [GCP_HOST]: simulatedGcp({ tokenFor: mint }) }, clock)
  return httpRig({
    clock,
    platform,
    host: GCP_HOST,
    source: gcpMetadata({
      ...patience(clock),
      send: platform.send,
      audience: 'conjur/acme/host/apps/web',
    }),
    breakIt: () => platform.script(GCP_HOST, [{ fault: { status: 403 }, times: 1000 }]),
    secrets: () => minted,
  })
}

async function startAws(where: 'instance' | 'ecs' | 'pod-identity' | 'web-identity'): Promise<Rig> {
  const clock = hastyClock()
  const directory = await temporaryDirectory()
  const tokenFile = join(directory.path, 'token')
  const jwt = await cluster.make(serviceAccountClaims())
  await writeFile(tokenFile, jwt)
  let role: string | undefined = 'web'
  const expiration = (): string => new Date(clock.now() + 3_600_000).toISOString()
  const platform = await startPlatform(
    {
      [INSTANCE_HOST]: simulatedInstance({ role: () => role, expiration, region: 'eu-west-1' }),
      [ECS_HOST]: simulatedContainer({ path: '/v2/credentials/1', expiration }),
      [POD_IDENTITY_HOST]: simulatedContainer({
        path: '/v1/credentials',
        authorization: () => jwt,
        expiration,
      }),
      'sts.us-east-1.amazonaws.com': simulatedSts({
        roleArn: 'arn:aws:iam::123456789012:role/web',
        federation,
        now: () => clock.now(),
        expiration,
      }),
    },
    clock,
  )
  const origins = {
    instance: { kind: 'instance', baseUrl: new URL(`http://${INSTANCE_HOST}`) },
    ecs: {
      kind: 'container',
      url: new URL(`http://${ECS_HOST}/v2/credentials/1`),
      authorization: undefined,
    },
    'pod-identity': {
      kind: 'container',
      url: new URL(`http://${POD_IDENTITY_HOST}/v1/credentials`),
      authorization: { file: tokenFile },
    },
    'web-identity': {
      kind: 'web-identity',
      tokenFile,
      roleArn: 'arn:aws:iam::123456789012:role/web',
      sessionName: 'conjur-agent',
    },
  } satisfies Record<typeof where, AwsOrigin>
  const rig = httpRig({
    clock,
    platform,
    host: {
      instance: INSTANCE_HOST,
      ecs: ECS_HOST,
      'pod-identity': POD_IDENTITY_HOST,
      'web-identity': 'sts.us-east-1.amazonaws.com',
    }[where],
    source: aws({
      ...patience(clock),
      send: platform.send,
      directSend: platform.send,
      origin: origins[where],
    }),
    breakIt: async () => {
      role = undefined
      platform.script(ECS_HOST, [{ fault: { status: 404 }, times: 1000 }])
      await rm(tokenFile)
    },
    secrets: () => [AWS_KEYS.SecretAccessKey, AWS_KEYS.Token, jwt],
  })
  return {
    ...rig,
    [Symbol.asyncDispose]: () =>
      Promise.all([platform.close(), directory[Symbol.asyncDispose]()]).then(() => {}),
  }
}

function httpRig(about: {
  readonly source: IdentitySource
  readonly clock: FakeClock
  readonly platform: Platform
  readonly host: string
  readonly breakIt: () => void | Promise<void>
  readonly secrets: () => readonly string[]
}): Rig {
  const { source, clock, platform, host, secrets } = about
  return {
    source,
    clock,
    wire: { platform, host },
    secrets,
    breakIt: async () => {
      await about.breakIt()
    },
    [Symbol.asyncDispose]: () => platform.close(),
  }
}
