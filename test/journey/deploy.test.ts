import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { startDevserver, type Devserver } from '../../src/devserver/server.ts'
import { startAgent, type AgentProcess } from '../support/agent-process.ts'
import { bodyOf, loopbackServer, type LoopbackServer } from '../support/loopback-server.ts'
import { simulatedAppService } from '../support/platform-simulator/app-service.ts'
import { simulatedImds, type ManagedIdentity } from '../support/platform-simulator/imds.ts'
import type { Endpoint } from '../support/platform-simulator/platform.ts'
import { blocksOf } from '../support/pages.ts'
import { deployText, recipes, type Recipe } from '../support/recipes.ts'
import {
  azureClaims,
  discoveryPaths,
  serviceAccountClaims,
  tokenMaker,
  type TokenMaker,
} from '../support/token-maker.ts'

// Each manifest's own environment and command, given to the built program on this machine. Conjur is
// the devserver with the policy of the recipe's page; the platform is simulated.

/** All that differs from the manifest. What is not here is passed on as it stands there. */
const REPLACED = {
  CONJUR_APPLIANCE_URL: 'the devserver',
  CONJUR_SSL_CERTIFICATE: "the devserver's CA",
  CONJUR_SECRETS_DIRECTORY: 'a directory of the test',
  CONJUR_STATUS_DIRECTORY: 'a directory of the test',
  CONJUR_AUTHN_TOKEN_FILE: 'a file of the test',
  JWT_TOKEN_PATH: "GitHub's token, in a file of the test",
  AZURE_POD_IDENTITY_AUTHORITY_HOST: 'the simulated metadata service',
  IDENTITY_ENDPOINT: 'set by App Service and Container Apps: the simulated endpoint',
  IDENTITY_HEADER: 'set by App Service and Container Apps',
  CONJUR_AUTHN_AZURE_CLIENT_ID: 'where Bicep reads it off the identity: what it would read',
} as const

const USER: ManagedIdentity = {
  kind: 'user',
  clientId: '7c7c7c7c-3333-4d4d-8e8e-000000000003',
  objectId: '9d9d9d9d-4444-4f4f-9a9a-000000000004',
  resourceId:
    '/subscriptions/5a5a5a5a-2222-4b4b-9c9c-000000000002/resourcegroups/rg-web/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-web',
}
const SYSTEM: ManagedIdentity = {
  kind: 'system',
  clientId: '8b8b8b8b-3333-4d4d-8e8e-000000000005',
  objectId: '6e6e6e6e-4444-4f4f-9a9a-000000000006',
  resourceId:
    '/subscriptions/5a5a5a5a-2222-4b4b-9c9c-000000000002/resourcegroups/rg-web/providers/Microsoft.Compute/virtualMachines/vm-web',
}
/** Attached as well: whoever does not name the right one gets its token, and Conjur refuses it. */
const OTHER: ManagedIdentity = {
  kind: 'user',
  clientId: '1a1a1a1a-3333-4d4d-8e8e-000000000007',
  objectId: '2b2b2b2b-4444-4f4f-9a9a-000000000008',
  resourceId: USER.resourceId.replace('id-web', 'id-other'),
}

const HEADER = '5e5e5e5e-0000-4000-8000-000000000009'
const PASSWORD = 'canary-5d1e horse'

let place: Place | undefined

afterEach(async () => {
  await place?.[Symbol.asyncDispose]()
  place = undefined
})

const all = recipes().map((recipe) => [recipe.file, recipe] as const)
const writing = all.filter(([, { argv }]) => argv[0] !== 'exec')
const wrapping = all.filter(([, { argv }]) => argv[0] === 'exec')

test.each(writing)('%s puts the files where its application reads them', async (_, recipe) => {
  place = await surroundings(recipe)
  const waiting = place.startWaiting()

  const agent = place.start(recipe.argv)
  if (recipe.argv[0] === 'init') expect((await agent.ended).code).toBe(0)
  await agent.line(({ code }) => code === 'PUBLISHED')

  if (recipe.platform === 'github') {
    expect(await place.sourced()).toBe(`${PASSWORD} shop`)
  } else {
    const text = await readFile(join(place.secrets, 'db.json'), 'utf8')
    expect(JSON.parse(text)).toEqual({ 'db-password': PASSWORD, 'db-user': 'shop' })
    if (waiting !== undefined) expect(await waiting).toBe(text)
  }
  if (recipe.argv[0] !== 'init') {
    expect((await stat(place.tokenFile)).size).toBeGreaterThan(100)
    agent.kill('SIGTERM')
    expect((await agent.ended).code).toBe(0)
  }
  expect(place.violations).toEqual([])
  expect(agent.output()).not.toContain('canary')
  for (const line of shownOf(recipe.file)) expect(agent.output()).toMatch(line)
})

test('the tutorials show what an agent says there', () => {
  expect(all.flatMap(([file]) => shownOf(file)).length).toBeGreaterThan(6)
})

test.each(wrapping)('%s gives its application the values, and ends with it', async (_, recipe) => {
  place = await surroundings(recipe)
  const seen = join(place.directory, 'seen')
  // The application of the manifest is not on this machine: a shell stands in its place.
  const own = recipe.argv.slice(0, recipe.argv.indexOf('--') + 1)
  const script = `printf '%s' "$DB_PASSWORD $DB_USER" >${seen}; exit 7`

  const agent = place.start([...own, 'sh', '-c', script])

  expect((await agent.ended).code).toBe(7)
  expect(await readFile(seen, 'utf8')).toBe(`${PASSWORD} shop`)
  expect(place.violations).toEqual([])
  expect(agent.output()).not.toContain('canary')
})

test('the health check of docker-compose.yaml passes once the set is there, not before', async () => {
  const [, recipe] = all.find(([file]) => file === 'docker-compose.yaml') ?? []
  if (recipe === undefined) throw new Error('there is no such recipe')
  const [, program, ...argv] = recipe.healthcheck ?? []
  place = await surroundings(recipe)

  const before = await place.start(argv).ended
  const agent = place.start(recipe.argv)
  await agent.line(({ code }) => code === 'PUBLISHED')
  const after = await place.start(argv).ended

  expect(program).toBe('conjur-agent')
  expect(before.code).not.toBe(0)
  expect(after.code).toBe(0)
})

test('a group that never gets its secrets lets the job end, with a failure', async () => {
  const command = waitOf('azure-container-instances-job.yaml') ?? ''

  const quick = command.replace('-lt 600', '-lt 2').replace('sleep 1', 'sleep 0')
  const shell = spawn('sh', ['-c', quick.replaceAll('/conjur/status', '/nowhere')])

  expect(await once(shell, 'close')).toEqual([1, null])
})

/** The tutorial that starts this manifest. */
const tutorials: Readonly<Record<string, string>> = {
  'azure-container-instances.yaml': 'docs/quickstart-azure-container-instances.md',
  'azure-container-apps.yaml': 'docs/container-apps.md',
  'app-service/web-app.bicep': 'docs/quickstart-app-service.md',
}

/** The lines of the log that it says one should see; `…` is anything. The volume is in memory here. */
function shownOf(file: string): readonly RegExp[] {
  const page = tutorials[file]
  if (page === undefined) return []
  return blocksOf(page)
    .flatMap(({ text }) => text.split('\n'))
    .filter((line) => line.startsWith('{"level"') && !line.includes('OUTPUT_NOT_TMPFS'))
    .map((line) => {
      const [first = '', ...parts] = line.replace('conjur.example.com', '…').split('…')
      return new RegExp(
        [first, ...parts]
          .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
          .join('.*'),
      )
    })
}

interface Place extends AsyncDisposable {
  readonly directory: string
  readonly secrets: string
  readonly tokenFile: string
  readonly violations: readonly string[]
  start(argv: readonly string[]): AgentProcess
  /** The manifest's own wait of its application, which then prints the file; where it has one. */
  startWaiting(): Promise<string> | undefined
  /** What a POSIX shell has after reading the bash file. */
  sourced(): Promise<string>
}

async function surroundings(recipe: Recipe): Promise<Place> {
  const directory = await mkdtemp('/dev/shm/conjur-agent-test-')
  const secrets = join(directory, 'secrets')
  const status = join(directory, 'status')
  const tokenFile = join(directory, 'run/access-token')
  for (const name of ['secrets', 'status', 'run']) await mkdir(join(directory, name))
  const issuing = await issuer()
  const conjur = await conjurFor(recipe, issuing.maker)
  const violations: string[] = []
  const identities = recipe.identity === 'user' ? [USER, OTHER] : [SYSTEM]
  const simulation = {
    identities: () => identities,
    header: () => HEADER,
    tokenFor: ({ resourceId, objectId, clientId }: ManagedIdentity) =>
      issuing.maker.make(
        azureClaims({ xms_mirid: resourceId, oid: objectId, sub: objectId, appid: clientId }),
      ),
  }
  const endpoint =
    recipe.platform === 'imds' ? simulatedImds(simulation) : simulatedAppService(simulation)
  const platform = await serve(endpoint, (what) => violations.push(what))
  const jwt = join(directory, 'platform-token')
  const claims = { aud: 'conjur', repository: 'example/web', ref: 'refs/heads/main' }
  await writeFile(jwt, await issuing.maker.make(serviceAccountClaims(claims)))

  const replacements: Readonly<Partial<Record<keyof typeof REPLACED, string>>> = {
    CONJUR_APPLIANCE_URL: conjur.url,
    CONJUR_SSL_CERTIFICATE: conjur.ca,
    CONJUR_SECRETS_DIRECTORY: secrets,
    CONJUR_STATUS_DIRECTORY: status,
    CONJUR_AUTHN_TOKEN_FILE: tokenFile,
    ...(recipe.platform === 'github' ? { JWT_TOKEN_PATH: jwt } : {}),
    ...(recipe.platform === 'imds'
      ? { AZURE_POD_IDENTITY_AUTHORITY_HOST: platform.url.origin }
      : {}),
    ...(recipe.platform === 'app-service'
      ? { IDENTITY_ENDPOINT: `${platform.url.origin}/msi/token`, IDENTITY_HEADER: HEADER }
      : {}),
    ...(recipe.environment['CONJUR_AUTHN_AZURE_CLIENT_ID']?.startsWith('${') === true
      ? { CONJUR_AUTHN_AZURE_CLIENT_ID: USER.clientId }
      : {}),
  }
  const started: AgentProcess[] = []
  const over = new AbortController()
  return {
    directory,
    secrets,
    tokenFile,
    violations,
    start(argv) {
      const agent = startAgent(argv, { ...recipe.environment, ...replacements })
      started.push(agent)
      return agent
    },
    startWaiting() {
      const wait = waitOf(recipe.file)
      if (wait === undefined) return undefined
      const command = wait
        .replaceAll(/\/conjur\/status|\/run\/conjur-agent\/status/g, status)
        .replace(/exec \S+$/, `exec cat ${secrets}/db.json`)
      return run(command, { CONJUR_STATUS_DIRECTORY: status }, over.signal)
    },
    sourced: () =>
      run(`. ${secrets}/ci.bash; printf '%s' "$DB_PASSWORD $DB_USER"`, {}, over.signal),
    async [Symbol.asyncDispose]() {
      over.abort()
      for (const agent of started) agent.kill('SIGKILL')
      await Promise.all(started.map(({ ended }) => ended))
      await Promise.all([conjur.close(), issuing.server.close(), platform.close()])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** The line with which a recipe's application waits; App Service's stands in a script, systemd's in the unit. */
function waitOf(file: string): string | undefined {
  if (file.startsWith('vm/')) {
    const [, line = ''] = /^ExecStartPost=\/bin\/sh -c '(.*)'$/m.exec(deployText(file)) ?? []
    return `${line}; exec /opt/web/web`
  }
  if (file.startsWith('app-service/')) {
    const [, ...lines] = deployText('app-service/wait.sh').trim().split('\n')
    return lines.join('\n').replace('exec "$@"', 'exec /app/web')
  }
  return /'((?:i=0; )?until [^']+; exec \S+)'/.exec(deployText(file))?.[1]
}

async function run(
  script: string,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const shell = spawn('sh', ['-c', script], {
    env: { PATH: '/usr/bin:/bin', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  signal.addEventListener('abort', () => shell.kill())
  let out = ''
  shell.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  await once(shell, 'close')
  return out
}

/** Which page has the policy for a recipe. */
function pageOf({ file, identity, platform }: Recipe): string {
  if (identity === 'system') return 'quickstart-vm.md'
  if (platform === 'imds') return 'quickstart-azure-container-instances.md'
  return file.startsWith('azure-container-apps') ? 'container-apps.md' : 'quickstart-app-service.md'
}

const GITHUB_POLICY = `
- !policy
  id: conjur/authn-jwt/github
  body:
    - !webservice
    - !variable public-keys
    - !variable issuer
    - !variable audience
    - !permit { role: !host /apps/ci, privileges: [ read, authenticate ], resource: !webservice }
- !host
  id: apps/ci
  annotations:
    authn-jwt/github/repository: example/web
    authn-jwt/github/ref: refs/heads/main
- !policy
  id: apps/web
  body:
    - &variables
      - !variable db-password
      - !variable db-user
    - !permit { role: !host /apps/ci, privileges: [ read, execute ], resource: *variables }
`

async function conjurFor(recipe: Recipe, maker: TokenMaker): Promise<Devserver> {
  const values = { 'apps/web/db-password': PASSWORD, 'apps/web/db-user': 'shop' }
  if (recipe.platform === 'github') {
    const authenticator = 'conjur/authn-jwt/github'
    return startDevserver({
      account: 'acme',
      policy: GITHUB_POLICY,
      values: {
        ...values,
        [`${authenticator}/public-keys`]: JSON.stringify({ type: 'jwks', value: maker.jwks }),
        [`${authenticator}/issuer`]: maker.issuer,
        [`${authenticator}/audience`]: 'conjur',
      },
    })
  }
  const page = await readFile(join(import.meta.dirname, '../../docs', pageOf(recipe)), 'utf8')
  const [, policy = ''] = /```yaml\n(- !policy[\s\S]*?)```/.exec(page) ?? []
  return startDevserver({
    account: 'acme',
    policy,
    values: { ...values, 'conjur/authn-azure/prod/provider-uri': maker.issuer },
  })
}

/** An issuer whose discovery and keys Conjur can fetch. */
async function issuer(): Promise<{ maker: TokenMaker; server: LoopbackServer }> {
  const documents = new Map<string, unknown>()
  const server = await loopbackServer((request, response) => {
    const body = documents.get(request.url ?? '')
    response.writeHead(body === undefined ? 404 : 200).end(JSON.stringify(body))
  })
  const maker = await tokenMaker({
    issuer: `${server.url.origin}/tenant/`,
    jwksUri: `${server.url.origin}/keys`,
    now: () => Date.now(),
  })
  documents.set('/keys', maker.jwks)
  for (const path of discoveryPaths(maker.issuer)) documents.set(path, maker.discovery)
  return { maker, server }
}

/** A simulated endpoint at an address of its own. */
function serve(endpoint: Endpoint, violation: (what: string) => void): Promise<LoopbackServer> {
  return loopbackServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '/', 'http://simulated')
      const reply = await endpoint(
        {
          at: Date.now(),
          host: request.headers.host ?? '',
          method: request.method ?? '',
          target: request.url ?? '/',
          path: url.pathname,
          query: url.searchParams,
          rawHeaders: request.rawHeaders,
          headers: Object.fromEntries(
            Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
          ),
          body: await bodyOf(request),
        },
        violation,
      )
      response.writeHead(reply.status, reply.headers).end(reply.body)
    })()
  })
}
