import { expect, test } from 'vitest'
import { ConjurError } from '../../src/core/errors.ts'
import { terminalFor, type Surroundings } from '../../src/core/terminal.ts'
import type { StepId } from '../../src/core/doctor-steps.ts'
import {
  failed,
  passed,
  toJson,
  type Finding,
  type Report,
  type StepResult,
} from '../../src/doctor/report.ts'
import { screenFor } from '../../src/doctor/screen.ts'
import { inquire, type Evidence } from '../../src/doctor/suspects.ts'

const piped: Surroundings = {
  isTerminal: false,
  columns: undefined,
  environment: {},
  color: undefined,
}

const NOW = Date.parse('2026-11-25T09:14:07Z')

const evidence: Evidence = {
  authenticator: { type: 'authn-jwt', serviceId: 'prod' },
  login: 'host/apps/web',
  token: {
    header: { alg: 'RS256', kid: 'k' },
    claims: {
      iss: 'https://oidc.example.com/c7',
      iat: NOW / 1000 - 540,
      exp: NOW / 1000 + 3060,
      'kubernetes.io': { namespace: 'shop', serviceaccount: { name: 'web' } },
    },
  },
  expiresAt: NOW + 3_060_000,
  byConjur: NOW,
  authenticators: {
    installed: ['authn-jwt'],
    configured: ['authn-jwt/prod'],
    enabled: ['authn-jwt/prod'],
  },
  isConjurs: true,
}

function step(id: StepId, finding: Finding): StepResult {
  return { id, seconds: 0.041, ...finding }
}

const refusal = failed(
  new ConjurError(
    'CONJUR_UNAUTHENTICATED',
    'Conjur refuses host/apps/web with authn-jwt/prod (401)',
    {
      hint: "load what `conjur-agent policy` prints; Conjur's log at 09:14:07Z has the CONJ… code",
      facts: { status: 401 },
    },
  ),
  inquire(evidence),
)

const drawn: Report = {
  version: '1.0.0',
  mode: 'sidecar',
  authenticator: 'authn-jwt/prod',
  login: 'host/apps/web',
  startedAt: new Date(NOW),
  seconds: 0.6,
  steps: [
    step('configuration', passed('11 settings: 7 environment, 3 annotations, 1 file')),
    step('token', passed('projected-token, aud conjur, 51 min of 60 left')),
    step('clock', passed("within 1 s of Conjur; the token's iat is 9 min old")),
    step('name', passed('conjur.example.com → 10.0.4.7')),
    step('TLS', passed('1.3; chain ends in "Example Root CA", leaf valid 212 days')),
    step('authenticator', passed('authn-jwt/prod is installed, configured and enabled')),
    step('login', refusal),
    step('variables', { outcome: 'skipped', message: '3 not tried: no access token' }),
    step('volume', passed('/conjur/secrets: tmpfs, writable, 16 MiB free')),
  ],
}

function draw(report: Report, surroundings: Partial<Surroundings> = {}, isShort = false): string {
  const screen = screenFor(terminalFor({ ...piped, ...surroundings }), { isShort })
  return (
    screen.heading(report) +
    report.steps.map((one) => screen.step(one)).join('') +
    screen.verdict(report)
  )
}

test('a report is drawn as the experience page draws it', () => {
  expect(draw(drawn)).toBe(`conjur-agent 1.0.0 · sidecar · authn-jwt/prod as host/apps/web

✓ configuration   11 settings: 7 environment, 3 annotations, 1 file
✓ platform token  projected-token, aud conjur, 51 min of 60 left
✓ clock           within 1 s of Conjur; the token's iat is 9 min old
✓ name            conjur.example.com → 10.0.4.7
✓ TLS             1.3; chain ends in "Example Root CA", leaf valid 212 days
✓ authenticator   authn-jwt/prod is installed, configured and enabled
✗ login           CONJUR_UNAUTHENTICATED: Conjur refuses host/apps/web with authn-jwt/prod (401)
  │ ruled out     expired token · clock · disabled authenticator · a proxy's answer
  │ left          1 an annotation of the host differs from the token:
  │                   kubernetes.io/namespace             "shop"
  │                   kubernetes.io/serviceaccount/name   "web"
  │               2 host/apps/web does not exist, or its restricted_to leaves out this address
  │               3 keys, issuer or audience of authn-jwt/prod: iss "https://oidc.example.com/c7"
  hint: load what \`conjur-agent policy\` prints; Conjur's log at 09:14:07Z has the CONJ… code
– variables       3 not tried: no access token
✓ volume          /conjur/secrets: tmpfs, writable, 16 MiB free

1 of 9 failed, 1 skipped, 0.6 s · exit 5        → conjur-agent help CONJUR_UNAUTHENTICATED
`)
})

test('without UTF-8 the symbols are words and the columns stay', () => {
  const report = { ...drawn, steps: drawn.steps.slice(3, 5) }

  expect(draw(report, { environment: { LC_ALL: 'C' } }))
    .toBe(`conjur-agent 1.0.0 - sidecar - authn-jwt/prod as host/apps/web

ok   name            conjur.example.com -> 10.0.4.7
ok   TLS             1.3; chain ends in "Example Root CA", leaf valid 212 days

2 of 2 passed, 0.6 s - exit 0
`)
})

test('--short shows failures only', () => {
  const lines = draw(drawn, {}, true).split('\n')

  expect(lines[2]).toMatch(/^✗ login/)
  expect(lines.some((line) => line.startsWith('✓') || line.startsWith('–'))).toBe(false)
  expect(lines.at(-2)).toBe(
    '1 of 9 failed, 1 skipped, 0.6 s · exit 5        → conjur-agent help CONJUR_UNAUTHENTICATED',
  )
})

test('colour marks symbols, the login and nothing else', () => {
  const text = draw({ ...drawn, steps: drawn.steps.slice(0, 1) }, { color: 'always' })

  expect(text).toContain('as \u001B[1mhost/apps/web\u001B[22m')
  expect(text).toContain('\u001B[32m✓\u001B[39m configuration   11 settings')
})

test('a terminal gets long messages broken at spaces below their column, a pipe never', () => {
  const long = passed('one two three four five six seven eight nine ten eleven twelve thirteen')
  const report = { ...drawn, steps: [step('name', long)] }

  const [, , first, second] = draw(report, {
    isTerminal: true,
    columns: 60,
    environment: { TERM: 'dumb' },
  }).split('\n')

  expect([first, second]).toEqual([
    '✓ name            one two three four five six seven eight',
    '                  nine ten eleven twelve thirteen',
  ])
  expect(draw(report).split('\n')[2]).toContain('twelve thirteen')
})

test('the document has the schema, the verdict and the steps by name', () => {
  expect(JSON.parse(toJson(drawn))).toMatchObject({
    schema: 'conjur-agent/doctor/v1',
    ok: false,
    exitCode: 5,
    startedAt: '2026-11-25T09:14:07.000Z',
    steps: [
      { id: 'configuration', outcome: 'passed', seconds: 0.041 },
      { id: 'token' },
      { id: 'clock' },
      { id: 'name' },
      { id: 'TLS' },
      { id: 'authenticator' },
      {
        id: 'login',
        outcome: 'failed',
        code: 'CONJUR_UNAUTHENTICATED',
        message: 'Conjur refuses host/apps/web with authn-jwt/prod (401)',
        hint: expect.stringMatching(/^load what/),
        facts: { status: 401 },
        ruledOut: ['expired token', 'clock', 'disabled authenticator', "a proxy's answer"],
      },
      { id: 'variables', outcome: 'skipped' },
      { id: 'volume' },
    ],
  })
})

test.each<[string, Partial<Evidence>, string]>([
  ['an expired token', { byConjur: NOW + 9_000_000 }, 'expired token'],
  ['no clock of Conjur', { byConjur: undefined }, 'clock'],
  ['no list of authenticators', { authenticators: undefined }, 'disabled authenticator'],
  ["an answer that is not Conjur's", { isConjurs: false }, "a proxy's answer"],
])('with %s that is not ruled out', (_, broken, word) => {
  expect(inquire({ ...evidence, ...broken }).ruledOut).not.toContain(word)
})

test('a token that can never pass comes first among what is left', () => {
  const token = { claims: {}, ...evidence.token, header: { alg: 'ES256', kid: 'k' } }

  const [first] = inquire({ ...evidence, token }).left

  expect(first?.what).toBe(
    'the token itself: alg ES256: authn-jwt takes RS256, RS384 and RS512 only',
  )
})
