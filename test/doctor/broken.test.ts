import { expect, test } from 'vitest'
import { readGiven } from '../../src/config/given.ts'
import { examine } from '../../src/doctor/examine.ts'
import type { StepId } from '../../src/core/doctor-steps.ts'
import { toJson, type StepResult } from '../../src/doctor/report.ts'
import { createTools, operatorTokenIn } from '../../src/doctor/tools.ts'
import { testCa } from '../support/certificate.ts'
import { loopbackServer } from '../support/loopback-server.ts'
import {
  CANARY,
  POLICY,
  startBench,
  type Bench,
  type BenchOptions,
  type Environment,
} from './bench.ts'

interface Broken {
  readonly name: string
  readonly bench?: BenchOptions
  /** Breaks one more thing; what it yields wins over the bench's environment. */
  readonly breaks?: (bench: Bench) => Environment | void | Promise<Environment | void>
  readonly withOperator?: boolean
  readonly step: StepId
  readonly outcome?: 'failed' | 'degraded'
  readonly code?: string
  readonly message?: RegExp
  readonly hint?: RegExp
  /** Something that has to stand in the lines under the message, or among what is left. */
  readonly says?: RegExp
  /** The first failed step if it is another than `step`, which is degraded. */
  readonly exit: number
}

const namespace = (text: string) => POLICY.replace('kubernetes.io/namespace: shop', text)

const table: readonly Broken[] = [
  {
    name: 'a misspelt annotation',
    breaks: ({ file }) => void file('annotations', 'conjur.org/conjur-secret.db="- a"\n'),
    step: 'configuration',
    code: 'CONFIG_INVALID',
    says: /conjur\.org\/conjur-secret\.db .*nearest: conjur\.org\/conjur-secrets\.db/,
    exit: 3,
  },
  {
    name: 'a login percent-encoded as a product page prints it',
    breaks: () => ({ CONJUR_AUTHN_LOGIN: 'host%2Fapps%2Fweb' }),
    step: 'configuration',
    code: 'CONFIG_INVALID',
    says: /is percent-encoded already; write host\/apps\/web/,
    exit: 3,
  },
  {
    name: 'a login without host/',
    breaks: () => ({ CONJUR_AUTHN_LOGIN: 'apps/web' }),
    step: 'configuration',
    code: 'CONFIG_INVALID',
    says: /write host\/apps\/web/,
    exit: 3,
  },
  {
    name: 'an address that is not https',
    breaks: () => ({ CONJUR_APPLIANCE_URL: 'http://conjur.example.com' }),
    step: 'configuration',
    code: 'CONFIG_INVALID',
    says: /is not https/,
    exit: 3,
  },
  {
    name: 'no token file',
    breaks: () => ({ JWT_TOKEN_PATH: '/nowhere/token' }),
    step: 'token',
    code: 'IDENTITY_ABSENT',
    message: /there is no token file \/nowhere\/token/,
    hint: /JWT_TOKEN_PATH/,
    exit: 4,
  },
  {
    name: 'an expired token',
    bench: { claims: { iat: 1_700_000_000, nbf: 1_700_000_000, exp: 1_700_003_600 } },
    step: 'token',
    code: 'IDENTITY_EXPIRED',
    hint: /date -u/,
    exit: 4,
  },
  {
    name: 'a file that is no JWT',
    breaks: ({ present }) => present('not a token'),
    step: 'token',
    code: 'IDENTITY_MALFORMED',
    exit: 4,
  },
  {
    name: 'a token signed with ES256',
    bench: { issuer: { algorithm: 'ES256' } },
    step: 'token',
    outcome: 'degraded',
    code: 'IDENTITY_UNFIT',
    says: /alg ES256: authn-jwt takes RS256, RS384 and RS512 only/,
    hint: /sign with an RSA key/,
    exit: 5,
  },
  {
    name: 'a token without kid',
    bench: { header: { kid: undefined } },
    step: 'token',
    outcome: 'degraded',
    code: 'IDENTITY_UNFIT',
    says: /no kid in its header/,
    exit: 5,
  },
  {
    name: 'a token from a Secret, without exp',
    bench: { claims: { exp: undefined, iss: 'kubernetes/serviceaccount' } },
    step: 'token',
    outcome: 'degraded',
    code: 'IDENTITY_UNFIT',
    says: /no exp: this is a token from a Secret/,
    hint: /projected serviceAccountToken/,
    exit: 5,
  },
  {
    name: "a token for the API server's audience",
    bench: { claims: { aud: ['https://kubernetes.default.svc'] } },
    step: 'token',
    outcome: 'degraded',
    says: /is the API server's/,
    hint: /audience: conjur/,
    exit: 5,
  },
  {
    name: "an issuer's clock that is ahead",
    bench: {
      claims: { iat: Math.floor(Date.now() / 1000) + 900, nbf: undefined },
    },
    step: 'clock',
    code: 'IDENTITY_NOT_READY',
    message: /the token's iat is (14|15) min in the future/,
    hint: /issuer of the token/,
    exit: 4,
  },
  {
    name: 'a name that does not resolve',
    breaks: () => ({ CONJUR_APPLIANCE_URL: 'https://conjur.invalid' }),
    step: 'name',
    code: 'CONJUR_UNREACHABLE',
    message: /the name conjur\.invalid does not resolve/,
    hint: /getent hosts conjur\.invalid/,
    exit: 5,
  },
  {
    name: 'a name that only the proxy may know',
    breaks: () => ({
      CONJUR_APPLIANCE_URL: 'https://conjur.invalid',
      HTTPS_PROXY: 'http://proxy.example',
    }),
    step: 'name',
    code: 'CONJUR_UNREACHABLE',
    says: /HTTPS_PROXY is set, and its proxy may know the name; the agent goes through it/,
    exit: 5,
  },
  {
    name: 'nobody listening',
    breaks: () => ({ CONJUR_APPLIANCE_URL: 'https://127.0.0.1:9' }),
    step: 'TLS',
    code: 'CONJUR_UNREACHABLE',
    message: /127\.0\.0\.1:9 refuses the connection/,
    hint: /curl -v/,
    exit: 5,
  },
  {
    name: 'the wrong CA',
    breaks: async () => ({ CONJUR_SSL_CERTIFICATE: (await testCa('Old CA')).cert }),
    step: 'TLS',
    code: 'CONJUR_UNTRUSTED',
    says: /chain seen {3}"localhost", signed by "conjur-agent devserver CA", valid until \d{4}-\d\d-\d\d\ntrusted {6}"Old CA"/,
    hint: /"conjur-agent devserver CA" is missing/,
    exit: 5,
  },
  {
    name: 'no CA for a private one',
    breaks: () => ({ CONJUR_SSL_CERTIFICATE: undefined }),
    step: 'TLS',
    code: 'CONJUR_UNTRUSTED',
    says: /trusted {6}the public roots, since no CA is configured/,
    exit: 5,
  },
  {
    name: 'a chain without its middle',
    breaks: async () => {
      const ca = await testCa('Example Root CA')
      const between = await ca.intermediate('Example Issuing CA')
      const server = await loopbackServer(() => undefined, await between.issue())
      closers.push(server)
      return { CONJUR_APPLIANCE_URL: server.url.origin, CONJUR_SSL_CERTIFICATE: ca.cert }
    },
    step: 'TLS',
    code: 'CONJUR_UNTRUSTED',
    says: /chain seen {3}"localhost", signed by "Example Issuing CA".*\ntrusted {6}"Example Root CA"/,
    hint: /"Example Issuing CA" is missing: .*have the server send it, if it is an intermediate one/,
    exit: 5,
  },
  {
    name: 'a CA of the same name with another key',
    breaks: async () => ({
      CONJUR_SSL_CERTIFICATE: (await testCa('conjur-agent devserver CA')).cert,
    }),
    step: 'TLS',
    code: 'CONJUR_UNTRUSTED',
    hint: /"conjur-agent devserver CA" is trusted, but with another key/,
    exit: 5,
  },
  {
    name: 'an expired certificate',
    breaks: async () => {
      const ca = await testCa('Test CA')
      const server = await loopbackServer(() => undefined, await ca.issue({ days: -1 }))
      closers.push(server)
      return { CONJUR_APPLIANCE_URL: server.url.origin, CONJUR_SSL_CERTIFICATE: ca.cert }
    },
    step: 'TLS',
    code: 'CONJUR_UNTRUSTED',
    says: /"localhost", signed by "Test CA", expired on/,
    hint: /date -u/,
    exit: 5,
  },
  {
    name: 'a certificate for another name',
    breaks: async () => {
      const ca = await testCa('Test CA')
      const server = await loopbackServer(
        () => undefined,
        await ca.issue({ names: ['other.example'] }),
      )
      closers.push(server)
      return { CONJUR_APPLIANCE_URL: server.url.origin, CONJUR_SSL_CERTIFICATE: ca.cert }
    },
    step: 'TLS',
    code: 'CONJUR_UNTRUSTED',
    says: /valid for {4}DNS:other\.example/,
    hint: /a name that stands in the certificate/,
    exit: 5,
  },
  {
    name: "a proxy's page in Conjur's place",
    breaks: async () => {
      const ca = await testCa('Test CA')
      const server = await loopbackServer(
        (_request, response) => {
          response.writeHead(403, { Via: '1.1 gate', 'Content-Type': 'text/html' })
          response.end('<html>blocked</html>')
        },
        await ca.issue(),
      )
      closers.push(server)
      return { CONJUR_APPLIANCE_URL: server.url.origin, CONJUR_SSL_CERTIFICATE: ca.cert }
    },
    step: 'authenticator',
    code: 'CONJUR_REJECTED',
    says: /via: 1\.1 gate\nit answers with a page of HTML/,
    exit: 5,
  },
  {
    name: 'an authenticator that no policy declares',
    breaks: () => ({ CONJUR_AUTHENTICATOR: 'authn-jwt/dev' }),
    step: 'authenticator',
    code: 'CONJUR_NOT_CONFIGURED',
    message: /there is no webservice conjur\/authn-jwt\/dev/,
    hint: /configured are authn-jwt\/prod/,
    exit: 5,
  },
  {
    name: 'an authenticator that is not enabled',
    bench: { conjur: { authenticators: ['authn'] } },
    step: 'authenticator',
    code: 'CONJUR_NOT_ENABLED',
    hint: /CONJUR_AUTHENTICATORS=authn,authn-jwt\/prod/,
    exit: 5,
  },
  {
    name: 'a host in another namespace, by what is left',
    bench: { conjur: { policy: namespace('kubernetes.io/namespace: dev') } },
    step: 'login',
    code: 'CONJUR_UNAUTHENTICATED',
    says: /an annotation of the host differs from the token: kubernetes\.io\/namespace "shop"/,
    hint: /conjur-agent policy/,
    exit: 5,
  },
  {
    name: 'a host in another namespace, proven by the operator',
    bench: { conjur: { policy: namespace('kubernetes.io/namespace: dev') } },
    withOperator: true,
    step: 'login',
    code: 'CONJUR_UNAUTHENTICATED',
    says: /annotation authn-jwt\/prod\/kubernetes\.io\/namespace is "dev", the token says "shop"/,
    hint: /correct that annotation of host\/apps\/web/,
    exit: 5,
  },
  {
    name: 'an annotation in the wrong letter case, proven',
    bench: { conjur: { policy: namespace('kubernetes.io/namespace: Shop') } },
    withOperator: true,
    step: 'login',
    code: 'CONJUR_UNAUTHENTICATED',
    says: /the token says "shop"; only the letter case differs/,
    exit: 5,
  },
  {
    name: 'general annotations where specific ones count, proven',
    bench: {
      conjur: { policy: POLICY.replaceAll('authn-jwt/prod/kubernetes', 'authn-jwt/kubernetes') },
    },
    withOperator: true,
    step: 'login',
    code: 'CONJUR_UNAUTHENTICATED',
    says: /no annotation authn-jwt\/prod\/<claim>; authn-jwt\/kubernetes\.io\/namespace does not count here/,
    exit: 5,
  },
  {
    name: 'a host that does not exist, proven',
    breaks: () => ({ CONJUR_AUTHN_LOGIN: 'host/apps/wbe' }),
    withOperator: true,
    step: 'login',
    code: 'CONJUR_UNAUTHENTICATED',
    says: /host\/apps\/wbe does not exist/,
    exit: 5,
  },
  {
    name: 'another account, by the status route',
    breaks: () => ({ CONJUR_ACCOUNT: 'amce' }),
    withOperator: true,
    step: 'authenticator',
    code: 'CONJUR_NOT_CONFIGURED',
    message: /CONJ00008E.*amce/,
    hint: /correct CONJUR_ACCOUNT; the operator's token is of account acme/,
    exit: 5,
  },
  {
    name: 'a base path that the address leaves out',
    bench: { conjur: { basePath: '/api' } },
    breaks: ({ environment }) => ({
      CONJUR_APPLIANCE_URL: new URL(environment['CONJUR_APPLIANCE_URL'] ?? '').origin,
    }),
    step: 'login',
    code: 'CONJUR_NOT_FOUND',
    hint: /a base path such as \/api/,
    exit: 5,
  },
  {
    name: 'a group that asks for all of nothing',
    breaks: () => ({
      CONJUR_SECRETS__DB: '"*"',
      CONJUR_SECRETS_POLICY_PATH__DB: 'apps/nothing',
      CONJUR_SECRET_FILE_FORMAT__DB: 'json',
    }),
    step: 'variables',
    code: 'CONJUR_NOT_FOUND',
    message: /host\/apps\/web may see no variable under apps\/nothing/,
    exit: 5,
  },
  {
    name: 'an issuer that differs by its last slash, proven',
    bench: {
      issuer: { path: '/c7/' },
      settings: ({ issuer }) => ({ issuer: issuer.replace(/\/$/, '') }),
    },
    withOperator: true,
    step: 'login',
    code: 'CONJUR_UNAUTHENTICATED',
    says: /prod\/issuer is not the token's iss "http:.*\/c7\/": only the slash at the end differs/,
    hint: /conjur variable set -i conjur\/authn-jwt\/prod\/issuer -v http:.*\/c7\/$/,
    exit: 5,
  },
  {
    name: 'the wrong audience, proven',
    bench: { claims: { aud: ['vault'] } },
    withOperator: true,
    step: 'login',
    code: 'CONJUR_UNAUTHENTICATED',
    says: /variable conjur\/authn-jwt\/prod\/audience is not in the token's aud vault/,
    exit: 5,
  },
  {
    name: 'a login beside token-app-property, proven',
    bench: {
      conjur: {
        policy: POLICY.replace(
          '- !variable audience',
          '- !variable audience\n    - !variable token-app-property',
        ),
      },
      settings: () => ({ 'token-app-property': 'sub' }),
    },
    withOperator: true,
    step: 'login',
    code: 'CONJUR_UNAUTHENTICATED',
    says: /then no login may be given \(CONJ00098E\)/,
    hint: /leave out CONJUR_AUTHN_LOGIN/,
    exit: 5,
  },
  {
    name: 'an address outside restricted_to, proven',
    bench: {
      conjur: {
        policy: POLICY.replace(
          '      id: web\n',
          '      id: web\n      restricted_to: [ 10.0.0.0/8 ]\n',
        ),
      },
    },
    withOperator: true,
    step: 'login',
    code: 'CONJUR_UNAUTHENTICATED',
    says: /restricted_to of host\/apps\/web is 10\.0\.0\.0\/8; Conjur sees this address as 127\.0\.0\.1/,
    exit: 5,
  },
  {
    name: 'a variable of the authenticator without a value, by the status route',
    bench: { settings: () => ({ audience: undefined }) },
    withOperator: true,
    step: 'authenticator',
    code: 'CONJUR_NOT_CONFIGURED',
    message: /CONJ00037E.*audience/,
    hint: /conjur-agent policy --values/,
    exit: 5,
  },
  {
    name: 'keys that Conjur cannot reach, by the status route',
    bench: { settings: () => ({ 'provider-uri': 'http://127.0.0.1:9' }) },
    withOperator: true,
    step: 'authenticator',
    code: 'CONJUR_NOT_CONFIGURED',
    hint: /Conjur itself cannot reach the issuer.*public-keys/,
    exit: 5,
  },
  {
    name: "another API key than the host's",
    breaks: ({ conjur, file }) => ({
      CONJUR_AUTHENTICATOR: 'authn',
      CONJUR_AUTHN_API_KEY_FILE: file('key', `${conjur.apiKeyOf('host/apps/web')}0`),
    }),
    step: 'login',
    code: 'CONJUR_UNAUTHENTICATED',
    says: /the API key is another one, or its file holds a line feed at the end/,
    exit: 5,
  },
  {
    name: 'a host without authenticate',
    bench: { conjur: { policy: POLICY.slice(0, POLICY.indexOf('- !grant')) } },
    step: 'login',
    code: 'CONJUR_FORBIDDEN',
    hint: /grant it authenticate on webservice conjur\/authn-jwt\/prod/,
    exit: 5,
  },
  {
    name: 'a misspelt variable',
    breaks: () => ({ CONJUR_SECRETS__DB: '- apps/web/db-user\n- apps/web/db-pasword\n' }),
    step: 'variables',
    code: 'CONJUR_NOT_FOUND',
    message:
      /variable apps\/web\/db-pasword does not exist or host\/apps\/web may not see it \(404\)/,
    hint: /named in CONJUR_SECRETS__DB, line 2; this host can see apps\/web\/db-password/,
    exit: 5,
  },
  {
    name: 'a variable that may be seen and not read',
    bench: {
      conjur: {
        policy: `${POLICY}
- !permit
  role: !host apps/web
  privileges: [ read ]
  resource: !variable apps/legacy
- !variable apps/legacy
`,
        values: { 'apps/legacy': CANARY },
      },
    },
    breaks: () => ({ CONJUR_SECRETS__DB: '- apps/legacy\n' }),
    step: 'variables',
    code: 'CONJUR_FORBIDDEN',
    message: /host\/apps\/web may see variable apps\/legacy but not read it \(403\)/,
    hint: /execute on variable apps\/legacy/,
    exit: 5,
  },
  {
    name: 'a variable without a value',
    bench: {
      conjur: {
        policy: POLICY.replaceAll(
          '- !variable web/db-user',
          '- !variable web/db-user\n      - !variable web/new',
        ),
      },
    },
    breaks: () => ({ CONJUR_SECRETS__DB: '- apps/web/new\n' }),
    step: 'variables',
    code: 'CONJUR_NOT_FOUND',
    message: /variable apps\/web\/new has no value yet \(404\)/,
    hint: /conjur variable set -i apps\/web\/new/,
    exit: 5,
  },
  {
    name: 'an optional variable that is missing',
    breaks: () => ({ CONJUR_SECRETS__DB: '- user: apps/web/nobody\n  required: false\n' }),
    step: 'variables',
    outcome: 'degraded',
    code: 'CONJUR_NOT_FOUND',
    exit: 0,
  },
  {
    name: 'a secrets directory that is not there',
    breaks: () => ({ CONJUR_SECRETS_DIRECTORY: '/nowhere/secrets' }),
    step: 'volume',
    code: 'OUTPUT_UNWRITABLE',
    hint: /mount an emptyDir with medium: Memory at \/nowhere\/secrets/,
    exit: 6,
  },
  {
    name: 'a secrets directory on a disk that has to be memory',
    breaks: () => ({ CONJUR_SECRETS_DIRECTORY: '/usr', CONJUR_REQUIRE_TMPFS: 'true' }),
    step: 'volume',
    code: process.getuid?.() === 0 ? 'OUTPUT_NOT_TMPFS' : 'OUTPUT_UNWRITABLE',
    exit: 6,
  },
]

const closers: { close: () => Promise<void> }[] = []

async function diagnose(
  bench: Bench,
  broken: Pick<Broken, 'breaks' | 'withOperator'>,
): Promise<readonly StepResult[]> {
  const environment = { ...bench.environment, ...(await broken.breaks?.(bench)) }
  const given = await readGiven({ flags: {}, environment })
  const operatorToken =
    broken.withOperator === true ? await operatorTokenIn(await bench.operatorToken()) : undefined
  const { tools, close } = createTools({ given, timeoutMs: 5000, operatorToken })
  closers.push({ close })
  const listener = { started: () => undefined, finished: () => undefined }
  return examine({ tools, until: 'volume', listener, signal: new AbortController().signal })
}

function exitOf(steps: readonly StepResult[]): number {
  const subject = { version: '1', mode: 'init', authenticator: 'a', login: 'l' }
  return JSON.parse(toJson({ ...subject, startedAt: new Date(0), seconds: 0, steps })).exitCode
}

function told({ lines = [], left = [] }: StepResult): string {
  const suspects = left.map(({ what, claims = {} }) =>
    [what, ...Object.entries(claims).map(([name, value]) => `${name} "${value}"`)].join(' '),
  )
  return [...lines, ...suspects].join('\n')
}

test.each(table)('$name is found at $step', async (broken) => {
  await using bench = await startBench(broken.bench)

  const steps = await diagnose(bench, broken)
  await Promise.all(closers.splice(0).map((closer) => closer.close()))

  const found = steps.find(({ id }) => id === broken.step)
  expect(found).toMatchObject({ outcome: broken.outcome ?? 'failed' })
  expect(found?.code).toBe(broken.code)
  if (broken.outcome === undefined) {
    expect(steps.find(({ outcome }) => outcome === 'failed')?.id).toBe(broken.step)
  }
  if (broken.message !== undefined) expect(found?.message).toMatch(broken.message)
  if (broken.hint !== undefined) expect(found?.hint).toMatch(broken.hint)
  if (broken.says !== undefined) expect(told(found!)).toMatch(broken.says)
  expect(exitOf(steps)).toBe(broken.exit)
  const everything = JSON.stringify(steps)
  expect(everything).not.toContain(CANARY)
  expect(everything).not.toMatch(/eyJ[\w-]{10,}\.eyJ/)
})
