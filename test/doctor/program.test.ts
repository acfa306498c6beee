import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { loopbackServer } from '../support/loopback-server.ts'
import { azureClaims } from '../support/token-maker.ts'
import { CANARY, POLICY, runProgram, startBench, type Bench, type Run } from './bench.ts'

// Every test starts the program, some several times; the machine may have other work.
vi.setConfig({ testTimeout: 60_000 })

const run = (bench: Bench, args: readonly string[], more = {}): Promise<Run> =>
  runProgram(args, { ...bench.environment, ...more })

test('P2 no command of the wing prints a token, a key or a value', async () => {
  await using bench = await startBench()
  const operator = await bench.operatorToken()
  const secrets = [
    CANARY,
    readFileSync(bench.tokenFile, 'utf8'),
    readFileSync(operator, 'utf8'),
    ...readFileSync(bench.tokenFile, 'utf8').split('.'),
    bench.conjur.adminApiKey,
  ]
  const commands = [
    ['doctor'],
    ['doctor', '--json', '--conjur-token-file', operator],
    ['doctor', '--log-level', 'debug'],
    ['policy'],
    ['policy', '--values'],
    ['policy', '--check', '--conjur-token-file', operator],
    ['rbac'],
  ]

  // One after the other: a Conjur that is asked for much at once says 503, as a real one does.
  for (const args of commands) {
    const { code, out, err } = await run(bench, args)
    for (const secret of secrets) expect(out + err).not.toContain(secret)
    expect(code, out + err).toBe(0)
  }
})

test('doctor changes nothing on the volume', async () => {
  await using bench = await startBench()
  const before = readdirSync(bench.directory)

  await run(bench, ['doctor'])

  expect(readdirSync(bench.directory)).toEqual(before)
})

test('the report goes to stdout as it is, without colour or carriage returns', async () => {
  await using bench = await startBench()

  const { out, err, code } = await run(bench, ['doctor'])

  expect(code).toBe(0)
  expect(err).toBe('')
  expect(out).not.toMatch(/[\u001B\r]/)
  expect(out.split('\n').map((line) => line.slice(0, 14).trim())).toEqual([
    'conjur-agent 0',
    '',
    '✓ configuratio',
    '✓ platform tok',
    '✓ clock',
    '✓ name',
    '✓ TLS',
    '✓ authenticato',
    '✓ login',
    '✓ variables',
    '✓ volume',
    '',
    '9 of 9 passed,',
    '',
  ])
})

test('--until ends the report there; clock still has its reply', async () => {
  await using bench = await startBench()

  const { out } = await run(bench, ['doctor', '--until', 'clock', '--json'])

  const document = JSON.parse(out)
  expect(
    document.steps.map(({ id, outcome }: { id: string; outcome: string }) => [id, outcome]),
  ).toEqual([
    ['configuration', 'passed'],
    ['token', 'passed'],
    ['clock', 'passed'],
  ])
})

test.each([
  [['doctor', '--until', 'logn'], 'doctor has no step logn\nhint: did you mean --until login?\n'],
  [
    ['doctor', '--timeout', 'soon'],
    '--timeout soon is no duration\nhint: conjur-agent doctor --timeout 10s\n',
  ],
  [['policy', '--for', 'azur'], '--for does not know azur\nhint: did you mean --for azure?\n'],
  [
    ['policy', '--match', 'pod'],
    '--match does not know pod\nhint: it takes service-account, namespace, subject, identity, resource-group\n',
  ],
  [
    ['policy', '--for', 'azure', '--match', 'namespace'],
    '--match namespace means nothing to authn-azure\nhint: authn-azure takes identity, resource-group\n',
  ],
  [
    ['policy', '--for', 'jwt', '--answers', 'isuer=x'],
    '--answers does not know isuer\nhint: did you mean issuer=…?\n',
  ],
])('%j is a wrong command line', async (args, expected) => {
  const { err, code } = await runProgram(args, {})

  expect(err).toBe(expected)
  expect(code).toBe(2)
})

test('--connection looks at one of the further connections, its groups alone', async () => {
  await using bench = await startBench()
  const { environment } = bench
  const file = bench.file(
    'agent.yaml',
    JSON.stringify({
      connections: {
        old: { account: 'acme', authnLogin: 'host/apps/nobody' },
      },
      groups: {
        db: { secrets: ['apps/web/db-user'], connection: 'old' },
        api: { secrets: ['apps/web/api-key'] },
      },
    }),
  )
  const bare = { ...environment, CONJUR_SECRETS__DB: undefined, CONJUR_SECRETS__API: undefined }

  const top = await runProgram(['doctor', '--config', file], bare)
  const old = await runProgram(['doctor', '--config', file, '--connection', 'old'], bare)
  const typo = await runProgram(['doctor', '--config', file, '--connection', 'odl'], bare)

  expect(top.out).toContain('; --connection looks at old\n')
  expect(top.out).toContain('✓ variables       1 readable\n')
  expect(old.out).toContain('authn-jwt/prod as host/apps/nobody')
  expect(old.out).toContain('variables       1 not tried: no access token')
  expect([top.code, old.code, typo.code]).toEqual([0, 5, 2])
  expect(typo.err).toBe('there is no connection odl\nhint: did you mean --connection old?\n')
})

test('a step that gets no answer ends with its deadline, and the others are taken', async () => {
  const silent = await loopbackServer(() => undefined)
  await using bench = await startBench()
  const environment = {
    CONJUR_AUTHENTICATOR: 'authn-azure/prod',
    AZURE_POD_IDENTITY_AUTHORITY_HOST: silent.url.origin,
  }

  const { out, code } = await run(bench, ['doctor', '--json', '--timeout', '1s'], environment)
  await silent.close()

  const { steps } = JSON.parse(out)
  expect(steps[1]).toMatchObject({
    id: 'token',
    outcome: 'failed',
    code: expect.stringMatching(/^IDENTITY_/),
  })
  expect(steps[1].seconds).toBeLessThan(2)
  expect(steps[4]).toMatchObject({ id: 'TLS', outcome: 'passed' })
  expect(steps[6]).toMatchObject({
    id: 'login',
    outcome: 'skipped',
    message: 'not tried: no platform token',
  })
  expect(code).toBe(4)
})

test('P7 SIGTERM in the middle of a step ends doctor with 143', async () => {
  let asked = (): void => undefined
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  const silent = await loopbackServer(() => asked())
  await using bench = await startBench()
  let pid = 0
  const running = runProgram(
    ['doctor', '--timeout', '60s'],
    {
      ...bench.environment,
      CONJUR_AUTHENTICATOR: 'authn-azure/prod',
      AZURE_POD_IDENTITY_AUTHORITY_HOST: silent.url.origin,
    },
    (started) => {
      pid = started
    },
  )
  await isAsked
  const since = performance.now()

  process.kill(pid, 'SIGTERM')
  const { code } = await running
  await silent.close()

  expect(code).toBe(143)
  expect(performance.now() - since).toBeLessThan(1000)
})

test('policy is loadable as it is; what was read and what comes next goes to stderr', async () => {
  await using bench = await startBench()

  const { out, err } = await run(bench, ['policy'])

  const text = out.replace(/\d\d:\d\d today/, 'HH:MM today')
  expect(text).toContain(`      id: web
      annotations:                                   # from the token's claims, HH:MM today
        authn-jwt/prod/kubernetes.io/namespace: shop
        authn-jwt/prod/kubernetes.io/serviceaccount/name: web
`)
  expect(parse(out, { logLevel: 'silent' })).toHaveLength(3)
  expect(err.replaceAll(bench.issuer.issuer, 'ISS'))
    .toBe(`read  projected-token of system:serviceaccount:shop:web, iss ISS
→ 1 conjur policy load -b root -f web.yml
→ 2 conjur variable set -i conjur/authn-jwt/prod/issuer -v ISS   (+ 2: --values)
→ 3 on the server: CONJUR_AUTHENTICATORS=authn,authn-jwt/prod      → 4 conjur-agent policy --check
`)
})

test('-o refuses to overwrite without --force, and writes a file a policy into a directory', async () => {
  await using bench = await startBench()
  const file = join(bench.directory, 'web.yml')

  const first = await run(bench, ['policy', '-o', file])
  const second = await run(bench, ['policy', '-o', file])
  const third = await run(bench, ['policy', '-o', file, '--force'])
  const fourth = await run(bench, ['policy', '-o', `${bench.directory}/`])

  expect([first, second, third, fourth].map(({ code }) => code)).toEqual([0, 6, 0, 0])
  expect(first.out).toBe('')
  expect(second.err).toBe(
    `OUTPUT_BLOCKED: ${file} exists and is not overwritten\nhint: conjur-agent policy -o ${file} --force overwrites it\n`,
  )
  expect(readdirSync(bench.directory)).toEqual(
    expect.arrayContaining(['authn-jwt-prod.yml', 'authn-jwt-prod-hosts.yml']),
  )
})

test('policy warns of a token that authn-azure never takes', async () => {
  await using bench = await startBench()
  bench.present(await bench.issuer.make(azureClaims({ xms_mirid: undefined })))

  const { err } = await run(bench, ['policy'], {
    CONJUR_AUTHENTICATOR: 'authn-azure/prod',
    CONJUR_IDENTITY_SOURCE: 'projected-token',
  })

  expect(err).toContain('! no xms_mirid: this is no managed identity')
  expect(err).toContain('use authn-jwt instead')
})

test('policy --check ends with 0 where nothing is missing', async () => {
  await using bench = await startBench()

  const { out, err, code } = await run(bench, ['policy', '--check'])

  expect({ out, err, code }).toEqual({
    out: '',
    err: '✓ nothing is missing: this workload can log in and read\n',
    code: 0,
  })
})

test('policy --check with an operator names every record that is missing, and nothing else', async () => {
  await using bench = await startBench({
    conjur: {
      policy: `${POLICY.replace('kubernetes.io/namespace: shop', 'kubernetes.io/namespace: dev')}
- !variable apps/web/unset
`,
    },
    settings: () => ({ audience: undefined }),
  })
  const args = ['policy', '--check', '--json', '--conjur-token-file', await bench.operatorToken()]

  const { out, code } = await run(bench, args, {
    CONJUR_SECRETS__API: '- apps/web/unset\n- apps/web/unknown\n',
  })

  const { schema, ok, missing } = JSON.parse(out)
  expect({ schema, ok, code }).toEqual({
    schema: 'conjur-agent/policy-check/v1',
    ok: false,
    code: 8,
  })
  expect(missing.map(({ what }: { what: string }) => what)).toEqual([
    'a value for variable conjur/authn-jwt/prod/audience',
    'annotation authn-jwt/prod/kubernetes.io/namespace "shop" of host/apps/web, now "dev"',
    'a value for variable apps/web/unset',
    'variable apps/web/unknown',
  ])
})

test('policy --check that cannot be asked ends like the step that failed', async () => {
  await using bench = await startBench()

  const { err, code } = await run(bench, ['policy', '--check'], {
    CONJUR_APPLIANCE_URL: 'https://conjur.invalid',
  })

  expect(err).toMatch(/^CONJUR_UNREACHABLE: the name conjur\.invalid does not resolve\nhint: /)
  expect(code).toBe(5)
})

test('rbac grants nothing where the Kubernetes API is never asked', async () => {
  await using bench = await startBench()

  const { out } = await run(bench, ['rbac'])

  expect(parse(out)).toEqual({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'web', namespace: 'shop' },
    automountServiceAccountToken: false,
  })
})
