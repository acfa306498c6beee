import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import {
  startDevserver,
  type Devserver,
  type DevserverOptions,
} from '../../src/devserver/server.ts'
import { createSender } from '../../src/net/send.ts'
import { loopbackServer } from '../support/loopback-server.ts'
import { sourceProgram } from '../support/program.ts'
import {
  discoveryPaths,
  serviceAccountClaims,
  tokenMaker,
  type TokenMaker,
  type TokenMakerOptions,
} from '../support/token-maker.ts'

/** An issuer on loopback with the key of a {@link TokenMaker}. */
export interface Issuer extends TokenMaker, AsyncDisposable {}

export type IssuerOptions = TokenMakerOptions & {
  /** What stands behind host and port in `iss`; `/c7` unless given. */
  readonly path?: string
}

export async function startIssuer(options: IssuerOptions = {}): Promise<Issuer> {
  let maker: TokenMaker | undefined
  const server = await loopbackServer((request, response) => {
    const isDiscovery = discoveryPaths(maker?.issuer ?? '').includes(request.url ?? '')
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify(isDiscovery ? maker?.discovery : maker?.jwks))
  })
  maker = await tokenMaker({
    now: () => Date.now(),
    ...options,
    issuer: options.issuer ?? `http://127.0.0.1:${server.port}${options.path ?? '/c7'}`,
    jwksUri: `http://127.0.0.1:${server.port}/keys`,
  })
  return { ...maker, [Symbol.asyncDispose]: () => server.close() }
}

/** The policy of the drawn screens: host/apps/web may log in with authn-jwt/prod and read three variables. */
export const POLICY = `
- !policy
  id: conjur/authn-jwt/prod
  body:
    - !webservice
    - !webservice status
    - !variable issuer
    - !variable provider-uri
    - !variable audience
    - !group workloads
    - !permit
      role: !group workloads
      privileges: [ read, authenticate ]
      resource: !webservice
- !policy
  id: apps
  body:
    - !host
      id: web
      annotations:
        authn-jwt/prod/kubernetes.io/namespace: shop
        authn-jwt/prod/kubernetes.io/serviceaccount/name: web
    - &variables
      - !variable web/api-key
      - !variable web/db-password
      - !variable web/db-user
    - !permit
      role: !host web
      privileges: [ read, execute ]
      resource: *variables
- !grant
  role: !group conjur/authn-jwt/prod/workloads
  member: !host apps/web
`

export const CANARY = 'canary-7b1f'

const VALUES = {
  'apps/web/api-key': `${CANARY}-key`,
  'apps/web/db-password': `${CANARY}-password`,
  'apps/web/db-user': `${CANARY}-user`,
}

export type Environment = Record<string, string | undefined>

/** A workload with everything it needs; each test breaks one thing of it. */
export interface Bench extends AsyncDisposable {
  readonly issuer: Issuer
  readonly conjur: Devserver
  readonly directory: string
  readonly tokenFile: string
  /** What makes it work. */
  readonly environment: Environment
  /** Writes another platform token. */
  readonly present: (token: string) => void
  /** A file of the bench's own. */
  readonly file: (name: string, text: string) => string
  /** An access token of the administrator, in a file. */
  readonly operatorToken: () => Promise<string>
}

export interface BenchOptions {
  readonly issuer?: IssuerOptions
  readonly conjur?: DevserverOptions
  /** Values of the authenticator's own variables, by name; undefined leaves one unset. */
  readonly settings?: (issuer: Issuer) => Readonly<Record<string, string | undefined>>
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
}

export async function startBench(options: BenchOptions = {}): Promise<Bench> {
  const issuer = await startIssuer(options.issuer)
  const settings = {
    issuer: issuer.issuer,
    'provider-uri': issuer.issuer.replace(/\/$/, ''),
    audience: 'conjur',
    ...options.settings?.(issuer),
  }
  const conjur = await startDevserver({
    account: 'acme',
    policy: POLICY,
    ...options.conjur,
    values: {
      ...VALUES,
      ...Object.fromEntries(
        Object.entries(settings).flatMap(([name, value]) =>
          value === undefined ? [] : [[`conjur/authn-jwt/prod/${name}`, value]],
        ),
      ),
      ...options.conjur?.values,
    },
  })
  // Memory on Linux, where the suites run: the volume step is to find a tmpfs.
  const directory = mkdtempSync('/dev/shm/conjur-doctor-')
  const tokenFile = join(directory, 'token')
  const claims = serviceAccountClaims(options.claims)
  writeFileSync(tokenFile, await issuer.make(claims, options.header))
  const environment: Environment = {
    CONJUR_APPLIANCE_URL: conjur.url.replace('127.0.0.1', 'localhost'),
    CONJUR_ACCOUNT: 'acme',
    CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
    CONJUR_AUTHN_LOGIN: 'host/apps/web',
    CONJUR_SSL_CERTIFICATE: conjur.ca,
    CONJUR_SECRETS_DIRECTORY: directory,
    CONJUR_ANNOTATIONS_FILE: join(directory, 'annotations'),
    JWT_TOKEN_PATH: tokenFile,
    CONJUR_SECRETS__DB: '- apps/web/db-user\n- apps/web/db-password\n',
    CONJUR_SECRETS__API: '- apps/web/api-key\n',
    CONTAINER_MODE: 'sidecar',
  }
  const file = (name: string, text: string): string => {
    const path = join(directory, name)
    writeFileSync(path, text)
    return path
  }
  return {
    issuer,
    conjur,
    directory,
    tokenFile,
    environment,
    present: (token) => writeFileSync(tokenFile, token),
    file,
    operatorToken: async () => file('operator', await adminToken(conjur)),
    async [Symbol.asyncDispose]() {
      await conjur.close()
      await issuer[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs the program from source, as a process. */
export function runProgram(
  args: readonly string[],
  environment: Environment,
  onStart: (pid: number) => void = () => undefined,
): Promise<Run> {
  return new Promise((resolve) => {
    const [file, ...words] = sourceProgram(args)
    const child = execFile(
      file,
      words,
      { env: { ...environment, NODE_NO_WARNINGS: '1' } },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err })
      },
    )
    if (child.pid !== undefined) onStart(child.pid)
  })
}

/** An access token of the administrator of a devserver, in a file of the temporary directory. */
export async function adminTokenFile(conjur: Devserver): Promise<string> {
  const path = join(mkdtempSync('/dev/shm/conjur-doctor-'), 'operator')
  onTestFinished(() => rmSync(dirname(path), { recursive: true, force: true }))
  writeFileSync(path, await adminToken(conjur))
  return path
}

async function adminToken(conjur: Devserver): Promise<string> {
  const sender = createSender({ ca: async () => conjur.ca, connectTimeoutMs: 5000 })
  const reply = await sender.send({
    method: 'POST',
    url: new URL(`${conjur.url}/authn/acme/admin/authenticate`),
    body: conjur.adminApiKey,
    deadlineMs: 5000,
    maxBodyBytes: 10_000,
    signal: AbortSignal.timeout(5000),
  })
  await sender.close()
  return reply.body.toString('utf8')
}
