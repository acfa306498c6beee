import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startDevserver, type Devserver } from '../../src/devserver/server.ts'
import {
  azureClaims,
  discoveryPaths,
  serviceAccountClaims,
  tokenMaker,
  type TokenMaker,
} from './token-maker.ts'
import { loopbackServer, type LoopbackServer } from './loopback-server.ts'
import { startAgent, type AgentProcess, type StartOptions } from './agent-process.ts'

/** Values that must never be seen in any output. */
export const CANARY = 'canary-7f3a'

/** A devserver with the usual policy, issuers, and a place in memory for the agent's files. */
export interface Workbench extends AsyncDisposable {
  readonly conjur: Devserver
  readonly kubernetes: TokenMaker
  readonly azure: TokenMaker
  /** In memory where the machine has /dev/shm. */
  readonly directory: string
  readonly secrets: string
  readonly tokenFile: string
  /** The usual environment of an agent with authn-jwt. */
  readonly environment: Readonly<Record<string, string>>
  /** Writes a fresh projected token. */
  projectToken(claims?: Record<string, unknown>): Promise<void>
  read(file: string): Promise<string>
  start(
    argv: readonly string[],
    environment?: Readonly<Record<string, string>>,
    options?: StartOptions,
  ): AgentProcess
}

const POLICY = `
- !policy
  id: conjur/authn-jwt/prod
  body:
    - !webservice
    - !variable public-keys
    - !variable issuer
    - !variable audience
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-jwt/named
  body:
    - !webservice
    - !variable public-keys
    - !variable issuer
    - !variable token-app-property
    - !variable identity-path
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-azure/prod
  body:
    - !webservice
    - !variable provider-uri
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: apps
  body:
    - !host
      id: web
      annotations:
        authn-jwt/prod/kubernetes.io/namespace: shop
        authn-azure/subscription-id: 5a5a5a5a-2222-4b4b-9c9c-000000000002
        authn-azure/resource-group: rg-web
    - !host
      id: system:serviceaccount:shop:web
      annotations:
        authn-jwt/named/kubernetes.io/namespace: shop
    - !host stranger
    - !group readers
    - &values
      - !variable db-user
      - !variable db-password
      - !variable api-key
      - !variable with,comma
      - !variable binary
      - !variable unset
    - !variable hidden
    - !variable locked
    - !permit { role: !group readers, privileges: [ read, execute ], resource: *values }
    - !permit { role: !group readers, privileges: [ read ], resource: !variable locked }
    - !grant { role: !group readers, members: [ !host web, !host system:serviceaccount:shop:web ] }
- !grant { role: !group conjur/authn-jwt/prod/apps, members: [ !host apps/web ] }
- !grant { role: !group conjur/authn-jwt/named/apps, members: [ !host apps/system:serviceaccount:shop:web ] }
- !grant { role: !group conjur/authn-azure/prod/apps, members: [ !host apps/web ] }
`

export interface WorkbenchOptions {
  /** Life of access tokens; 480 unless given. */
  readonly tokenTtlSeconds?: number
  /** So many variables more, `apps/many/0` and on, that host/apps/web may read. */
  readonly variables?: number
}

export async function workbench({
  variables = 0,
  ...options
}: WorkbenchOptions = {}): Promise<Workbench> {
  const directory = await mkdtemp('/dev/shm/conjur-agent-test-')
  const now = (): number => Date.now()
  const kubernetes = await tokenMaker({ issuer: 'https://kubernetes.example', now })
  let issuer: LoopbackServer | undefined
  let azure: TokenMaker | undefined
  issuer = await loopbackServer((request, response) => {
    const path = request.url ?? ''
    const served = new Map<string, unknown>([
      ['/keys', azure?.jwks],
      ...discoveryPaths(azure?.issuer ?? 'http://nobody').map(
        (at) => [at, azure?.discovery] as const,
      ),
    ])
    const body = served.get(path)
    response.writeHead(body === undefined ? 404 : 200).end(JSON.stringify(body))
  })
  azure = await tokenMaker({
    issuer: `${issuer.url.origin}/tenant/`,
    jwksUri: `${issuer.url.origin}/keys`,
    now,
  })
  const publicKeys = JSON.stringify({ type: 'jwks', value: kubernetes.jwks })
  const conjur = await startDevserver({
    account: 'acme',
    policy: POLICY + many(variables),
    ...options,
    values: {
      'conjur/authn-jwt/prod/public-keys': publicKeys,
      'conjur/authn-jwt/prod/issuer': kubernetes.issuer,
      'conjur/authn-jwt/prod/audience': 'conjur',
      'conjur/authn-jwt/named/public-keys': publicKeys,
      'conjur/authn-jwt/named/issuer': kubernetes.issuer,
      'conjur/authn-jwt/named/token-app-property': 'sub',
      'conjur/authn-jwt/named/identity-path': 'apps',
      'conjur/authn-azure/prod/provider-uri': azure.issuer,
      'apps/db-user': 'web',
      'apps/db-password': `${CANARY}-password`,
      'apps/api-key': `${CANARY}-key`,
      'apps/with,comma': `${CANARY}-comma`,
      'apps/binary': Uint8Array.from({ length: 256 }, (_, index) => index),
      'apps/hidden': `${CANARY}-hidden`,
      'apps/locked': `${CANARY}-locked`,
    },
  })
  const secrets = join(directory, 'secrets')
  const tokenFile = join(directory, 'run/access-token')
  const jwtFile = join(directory, 'jwt')
  const environment = {
    CONJUR_APPLIANCE_URL: conjur.url,
    CONJUR_ACCOUNT: 'acme',
    CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
    CONJUR_AUTHN_LOGIN: 'host/apps/web',
    CONJUR_SSL_CERTIFICATE: conjur.ca,
    JWT_TOKEN_PATH: jwtFile,
    CONJUR_SECRETS__DB: '- user: apps/db-user\n- password: apps/db-password',
    CONJUR_SECRET_FILE_FORMAT__DB: 'json',
    CONJUR_SECRETS_DIRECTORY: secrets,
    CONJUR_AUTHN_TOKEN_FILE: tokenFile,
    CONJUR_STATUS_LISTEN: 'off',
  }
  const started: AgentProcess[] = []
  const bench: Workbench = {
    conjur,
    kubernetes,
    azure,
    directory,
    secrets,
    tokenFile,
    environment,
    async projectToken(claims = {}) {
      await writeFile(jwtFile, await kubernetes.make(serviceAccountClaims(claims)))
    },
    read: (file) => readFile(join(secrets, file), 'utf8'),
    start(argv, more = {}, how = {}) {
      const agent = startAgent(argv, { ...environment, ...more }, how)
      started.push(agent)
      return agent
    },
    async [Symbol.asyncDispose]() {
      for (const agent of started) agent.kill('SIGKILL')
      await Promise.all(started.map((agent) => agent.ended))
      await Promise.all([conjur.close(), issuer.close()])
      await rm(directory, { recursive: true, force: true })
    },
  }
  await bench.projectToken()
  return bench
}

function many(count: number): string {
  if (count === 0) return ''
  const variables = Array.from({ length: count }, (_, index) => `      - !variable ${index}`)
  return `
- !policy
  id: apps/many
  body:
    - &many
${variables.join('\n')}
    - !permit { role: !host /apps/web, privileges: [ read, execute ], resource: *many }
`
}

/** An Azure metadata service on loopback that answers by a function. */
export async function metadataService(
  answer: (
    target: string,
    headers: Readonly<Record<string, unknown>>,
  ) => Promise<{ status: number; body: string; headers?: Record<string, string> }>,
): Promise<LoopbackServer> {
  return loopbackServer((request, response) => {
    void answer(request.url ?? '', request.headers).then(({ status, body, headers }) =>
      response.writeHead(status, headers).end(body),
    )
  })
}

/** What IMDS says when it has a token. */
export async function imdsToken(bench: Workbench): Promise<string> {
  return JSON.stringify({
    access_token: await bench.azure.make(azureClaims()),
    expires_in: '86399',
    expires_on: String(Math.floor(Date.now() / 1000) + 86_399),
    resource: 'https://management.azure.com/',
    token_type: 'Bearer',
  })
}
