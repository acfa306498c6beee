import { existsSync, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { logLines } from '../support/agent-process.ts'
import { volumeFacts } from '../../src/outputs/volume-facts.ts'
import { testCa } from '../support/certificate.ts'
import { temporaryVolume } from '../support/temporary-volume.ts'
import { bodyOf, loopbackServer } from '../support/loopback-server.ts'
import { azureClaims } from '../support/token-maker.ts'
import {
  CANARY,
  imdsToken,
  metadataService,
  workbench,
  type Workbench,
} from '../support/workbench.ts'

let bench: Workbench

beforeEach(async () => {
  bench = await workbench()
})

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
})

async function init(
  environment: Record<string, string> = {},
): Promise<{ code: number | null; output: string }> {
  const agent = bench.start(['init'], environment)
  const { code } = await agent.ended
  expect(agent.output()).not.toContain(CANARY)
  return { code, output: agent.output() }
}

test('P5 init with authn-jwt ends with 0 and every value on the volume, in one login and one batch', async () => {
  const { code, output } = await init()

  expect([code, output.includes('hint:')]).toEqual([0, false])
  expect(JSON.parse(await bench.read('db.json'))).toEqual({
    user: 'web',
    password: `${CANARY}-password`,
  })
  expect(statSync(join(bench.secrets, 'db.json')).mode & 0o777).toBe(0o644)
  expect(readlinkSync(join(bench.secrets, 'db.json'))).toBe('..data/db.json')
  expect(Object.fromEntries(bench.conjur.requests)).toMatchObject({ authenticate: 1, batch: 1 })
  const token = JSON.parse(await readFile(bench.tokenFile, 'utf8')) as Record<string, string>
  expect(Object.keys(token)).toEqual(['protected', 'payload', 'signature'])
  expect(lstatSync(bench.tokenFile).isFile()).toBe(true)
})

test('a group may ask for all that the host can read, and what it cannot is left out', async () => {
  const { code } = await init({
    CONJUR_SECRETS__DB: '*',
    CONJUR_SECRET_FILE_FORMAT__DB: 'plain',
    CONJUR_SECRETS_POLICY_PATH__DB: 'apps',
  })

  expect(code).toBe(0)
  expect(readdirSync(join(bench.secrets, 'apps')).toSorted()).toEqual([
    'api-key',
    'binary',
    'db-password',
    'db-user',
    'with,comma',
  ])
})

test('the log says once that secrets may reach a disk, and that no token file was asked for', async () => {
  const onDisk = temporaryVolume()

  const { code, output } = await init({
    CONJUR_SECRETS_DIRECTORY: join(onDisk, 'secrets'),
    CONJUR_AUTHN_TOKEN_FILE: '',
  })

  const lines = logLines(output).map(({ code: what }) => what)
  expect(code).toBe(0)
  expect(lines.includes('OUTPUT_NOT_TMPFS')).toBe(volumeFacts(onDisk).fileSystem === 'other')
  expect(lines.includes('TOKEN_FILE_LEFT_OUT')).toBe(!existsSync('/run/conjur'))
})

test('init writes at most three info lines', async () => {
  const { output } = await init()

  const codes = logLines(output)
    .filter(({ level }) => level === 'info')
    .map(({ code }) => code)
  expect(codes).toEqual(['STARTED', 'LOGGED_IN', 'PUBLISHED'])
})

test('the token may name the host, without a login in the URL', async () => {
  const { code } = await init({ CONJUR_AUTHENTICATOR: 'authn-jwt/named', CONJUR_AUTHN_LOGIN: '' })

  expect(code).toBe(0)
})

test('CONJUR_AUTHN_URL alone is enough', async () => {
  const { code } = await init({
    CONJUR_AUTHN_URL: `${bench.conjur.url}/authn-jwt/prod`,
    CONJUR_APPLIANCE_URL: '',
    CONJUR_AUTHENTICATOR: '',
  })

  expect(code).toBe(0)
})

test('annotations alone define the groups, and the mode', async () => {
  const annotations = join(bench.directory, 'annotations')
  await writeFile(
    annotations,
    [
      'conjur.org/container-mode="init"',
      'conjur.org/conjur-secrets.app="- KEY: api-key\\n- comma: \\"with,comma\\"\\n"',
      'conjur.org/conjur-secrets-policy-path.app="apps"',
      'conjur.org/secret-file-format.app="bash"',
      'conjur.org/secret-file-path.app="sub/app.sh"',
      'conjur.org/secret-file-permissions.app="rw-r-----"',
      '',
    ].join('\n'),
  )
  const agent = bench.start([], {
    CONJUR_ANNOTATIONS_FILE: annotations,
    CONJUR_SECRETS__DB: '',
    CONJUR_SECRET_FILE_FORMAT__DB: '',
  })

  expect((await agent.ended).code).toBe(0)
  expect(await bench.read('sub/app.sh')).toBe(
    `export KEY="${CANARY}-key"\nexport comma="${CANARY}-comma"`,
  )
  expect(statSync(join(bench.secrets, 'sub/app.sh')).mode & 0o777).toBe(0o640)
})

test('P6 an alias that the format cannot carry is refused before anything is sent', async () => {
  const { code, output } = await init({
    CONJUR_SECRETS__DB: '- apps/api-key',
    CONJUR_SECRET_FILE_FORMAT__DB: 'bash',
  })

  expect(code).toBe(3)
  expect(output).toContain('api-key')
  expect(bench.conjur.requests.size).toBe(0)
})

test('the config file alone defines everything', async () => {
  const { CONJUR_APPLIANCE_URL, CONJUR_SSL_CERTIFICATE, JWT_TOKEN_PATH } = bench.environment
  const file = join(bench.directory, 'agent.yaml')
  await writeFile(
    file,
    JSON.stringify({
      applianceUrl: CONJUR_APPLIANCE_URL,
      account: 'acme',
      authenticator: 'authn-jwt/prod',
      authnLogin: 'host/apps/web',
      sslCertificate: CONJUR_SSL_CERTIFICATE,
      jwtTokenPath: JWT_TOKEN_PATH,
      secretsDirectory: bench.secrets,
      authnTokenFile: bench.tokenFile,
      groups: {
        all: {
          secrets: [{ user: 'apps/db-user' }, { comma: 'apps/with,comma' }],
          format: 'dotenv',
          permissions: 'rw-------',
        },
      },
    }),
  )
  const agent = bench.start(
    ['init', '--config', file],
    Object.fromEntries(Object.keys(bench.environment).map((name) => [name, ''])),
  )

  expect((await agent.ended).code).toBe(0)
  expect(await bench.read('all.dotenv')).toBe(`user="web"\ncomma="${CANARY}-comma"`)
  expect(statSync(join(bench.secrets, 'all.dotenv')).mode & 0o777).toBe(0o600)
})

test('a binary value arrives byte for byte in a plain file', async () => {
  const { code } = await init({
    CONJUR_SECRETS__DB: '',
    CONJUR_SECRET_FILE_FORMAT__DB: '',
    CONJUR_SECRETS__RAW: '- apps/binary',
    CONJUR_SECRET_FILE_FORMAT__RAW: 'plain',
  })

  expect(code).toBe(0)
  const bytes = await readFile(join(bench.secrets, 'binary'))
  expect(Buffer.compare(bytes, Buffer.from(Array.from({ length: 256 }, (_, index) => index)))).toBe(
    0,
  )
})

test('without any group the access token is what is delivered', async () => {
  const agent = bench.start(['init'], { CONJUR_SECRETS__DB: '', CONJUR_SECRET_FILE_FORMAT__DB: '' })

  expect((await agent.ended).code).toBe(0)
  expect(existsSync(bench.tokenFile)).toBe(true)
  expect(existsSync(bench.secrets)).toBe(false)
})

test('authn-azure by managed identity, its identity named in each way', async () => {
  const seen: string[] = []
  await using imds = await metadataService(async (target, headers) => {
    seen.push(target)
    return headers['metadata'] === 'true'
      ? { status: 200, body: await imdsToken(bench) }
      : { status: 400, body: '{}' }
  })
  const azure = {
    CONJUR_AUTHENTICATOR: 'authn-azure/prod',
    AZURE_POD_IDENTITY_AUTHORITY_HOST: imds.url.origin,
  }

  for (const selector of [
    {},
    { CONJUR_AUTHN_AZURE_CLIENT_ID: 'c' },
    { CONJUR_AUTHN_AZURE_OBJECT_ID: 'o' },
    { CONJUR_AUTHN_AZURE_RESOURCE_ID: '/r' },
  ]) {
    expect((await init({ ...azure, ...selector })).code).toBe(0)
  }

  const common =
    '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F'
  expect(seen).toEqual([
    common,
    `${common}&client_id=c`,
    `${common}&object_id=o`,
    `${common}&msi_res_id=%2Fr`,
  ])
})

test('authn-azure by workload identity exchanges the federated token', async () => {
  const ca = await testCa()
  const forms: URLSearchParams[] = []
  await using entra = await loopbackServer(
    (request, response) => {
      void bodyOf(request).then(async (body) => {
        forms.push(new URLSearchParams(body))
        const token = await bench.azure.make(azureClaims())
        response.end(
          JSON.stringify({ token_type: 'Bearer', expires_in: 86_399, access_token: token }),
        )
      })
    },
    await ca.issue(),
  )
  const roots = join(bench.directory, 'roots.pem')
  const federated = join(bench.directory, 'federated')
  const assertion = await bench.kubernetes.make({ aud: 'api://AzureADTokenExchange' })
  await writeFile(roots, ca.cert)
  await writeFile(federated, assertion)

  const { code, output } = await init({
    CONJUR_AUTHENTICATOR: 'authn-azure/prod',
    AZURE_FEDERATED_TOKEN_FILE: federated,
    AZURE_CLIENT_ID: 'client',
    AZURE_TENANT_ID: 'tenant',
    AZURE_AUTHORITY_HOST: `${entra.url.origin}/`,
    NODE_EXTRA_CA_CERTS: roots,
  })

  expect(code).toBe(0)
  expect(Object.fromEntries(forms[0] ?? [])).toEqual({
    grant_type: 'client_credentials',
    client_id: 'client',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
    scope: 'https://management.azure.com/.default',
  })
  expect(output).not.toContain(assertion)
})

test('a second pass over an unchanged set touches nothing', async () => {
  await init()
  const before = readdirSync(bench.secrets)

  await init()

  expect(readdirSync(bench.secrets)).toEqual(before)
})

test('base64 that is none is delivered as it is, and told once', async () => {
  bench.conjur.setValue('apps/db-user', 'not base64!')

  const agent = bench.start(['init'], {
    CONJUR_SECRETS__DB: '- user: apps/db-user\n  content-type: base64',
  })
  const { code } = await agent.ended

  expect(code).toBe(0)
  const told = logLines(agent.stderr()).filter(({ level }) => level === 'warn')
  expect(told.map((line) => `${line.code}: ${line.msg}`)).toEqual([
    'OUTPUT_NOTE: user is not base64: delivered as it is',
  ])
})
