import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, describe, expect, test } from 'vitest'

import type { HttpReply, HttpRequest } from '../../src/core/http.ts'
import { gcpMetadata } from '../../src/identity/gcp-metadata.ts'
import {
  oidcClientCredentials,
  type OidcClientCredentialsOptions,
} from '../../src/identity/oidc-client-credentials.ts'
import type { IdentitySource } from '../../src/identity/source.ts'
import { fakeClock, hastyClock } from '../support/fake-clock.ts'
import { reply, scriptedSend } from '../support/scripted-send.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { says, told, unsignedJwt, type Around } from '../support/told.ts'

const directory = await temporaryDirectory()
const assertionFile = join(directory.path, 'assertion')
const secretFile = join(directory.path, 'secret')
await writeFile(assertionFile, unsignedJwt())
await writeFile(secretFile, 's&cret\n')
afterAll(() => directory[Symbol.asyncDispose]())

const REFUSED = { code: 'IDENTITY_REFUSED', retryable: false, waits: [] }
const NOT_READY = { code: 'IDENTITY_NOT_READY', retryable: true }
const MALFORMED = { code: 'IDENTITY_MALFORMED', retryable: true }

describe("P5 what Google's metadata server answers is told whole", () => {
  const from = 'the metadata server at 169.254.169.254'
  const see =
    "curl --noproxy '*' -sS -H 'Metadata-Flavor: Google' http://169.254.169.254/computeMetadata/v1/instance/ tells whether this is a Google Cloud machine"
  const google = { 'metadata-flavor': 'Google' }
  const gcp = (around: Around): IdentitySource =>
    gcpMetadata({ ...around, audience: 'conjur/acme/host/web' })

  test.each([429, 500])('%i is waited out', async (status) => {
    expect(await told(gcp, reply(status))).toEqual({
      ...NOT_READY,
      message: `${from} answers ${status}`,
      hint: 'wait; the machine is starting or being moved',
      facts: { from, status },
      waits: [100, 200, 400, 800, 1600, 3200, 5000],
    })
  })

  test('404 is a machine without a service account, or a pod that is new', async () => {
    expect(await told(gcp, reply(404))).toEqual({
      code: 'IDENTITY_ABSENT',
      retryable: false,
      message: 'no service account is attached to this machine or pod (404)',
      hint: 'attach one (gcloud compute instances set-service-account), or link the Kubernetes service account to an IAM one',
      facts: { from, status: 404 },
      waits: [1000, 2000, 4000, 8000, 8000, 8000, 8000],
    })
  })

  test('403 is somebody in between', async () => {
    expect(await told(gcp, reply(403))).toEqual({
      ...REFUSED,
      message: `${from} refuses (403)`,
      hint: 'on GKE allow the pod the metadata server (Workload Identity, network policy); nothing may stand in between',
      facts: { from, status: 403 },
    })
  })

  test("P8 a token that does not come from Google's server is not taken", async () => {
    expect(await told(gcp, reply(200, unsignedJwt(), { 'metadata-flavor': 'Other' }))).toEqual({
      ...REFUSED,
      message: `${from} is not Google's: its answer lacks Metadata-Flavor`,
      hint: `find out what answers in its place; ${see}`,
      facts: { from, status: 200 },
    })
  })

  test.each([
    ['', 'is empty'],
    ['a.b', 'is no JWT: it has not three parts separated by dots'],
    ['a.b.c.d', 'is no JWT: it has not three parts separated by dots'],
    ['.b.c', 'is no JWT: it has not three parts separated by dots'],
    ['a..c', 'is no JWT: it has not three parts separated by dots'],
    ['a.b.', 'is no JWT: it has not three parts separated by dots'],
    ['!.e30.c', 'is no JWT: its header or payload is not JSON'],
    ['e30.!e30.c', 'is no JWT: its header or payload is not JSON'],
    ['e30.e30!.c', 'is no JWT: its header or payload is not JSON'],
    ['e30.W10.c', 'is no JWT: its header or payload is not JSON'],
    ['W10.e30.c', 'is no JWT: its header or payload is not JSON'],
    [`e30.e30.${'c'.repeat(16_377)}`, 'is longer than 16 KiB'],
  ])('a token that is none (%#)', async (body, what) => {
    expect(await told(gcp, reply(200, body, google))).toEqual({
      ...MALFORMED,
      message: `the platform token from ${from} ${what}`,
      hint: `see what answers in its place (a proxy, a sign-in page): ${see}`,
      facts: { from },
      waits: [1000, 2000, 4000, 8000, 16_000],
    })
  })

  test.each(['1.2.3.4', 'example.com', 'a b', 'localhost:80:80'])(
    'P8 %s is no metadata server',
    (host) => {
      const { send } = scriptedSend(() => reply(500))

      expect(() => gcpMetadata({ send, clock: hastyClock(), audience: 'a', host })).toThrow(
        expect.objectContaining({
          code: 'IDENTITY_REFUSED',
          message: `${host} is no place for a metadata server`,
          hint: 'GCE_METADATA_HOST may name a loopback or link-local host only',
        }),
      )
    },
  )
})

const ISSUER = 'https://id.example.com/'
const from = `the OpenID provider ${ISSUER}`
const silent = 'allow this workload to reach id.example.com, or correct CONJUR_OIDC_ISSUER'
const patient = [1000, 2000, 4000, 8000, 16_000]
const description = 'curl -sS https://id.example.com/.well-known/openid-configuration'

const ASSERTION = { kind: 'assertion', file: assertionFile } as const
const SECRET = { kind: 'secret', file: secretFile } as const

function oidc(around: Around, more: Partial<OidcClientCredentialsOptions> = {}): IdentitySource {
  return oidcClientCredentials({
    ...around,
    issuer: ISSUER,
    clientId: 'web',
    proof: ASSERTION,
    scope: 'openid',
    tokenField: 'id_token',
    ...more,
  })
}

/** A provider that describes itself, and answers a request for a token. */
function provider(
  answer: HttpReply,
  about: Readonly<Record<string, unknown>> = {},
): (request: HttpRequest) => HttpReply {
  const itself = { issuer: ISSUER, token_endpoint: `${ISSUER}token`, ...about }
  return ({ method }) => (method === 'GET' ? says(200, itself) : answer)
}

describe('P5 what an OpenID provider says of itself', () => {
  test.each([429, 500])('%i is waited out', async (status) => {
    expect(await told(oidc, reply(status))).toEqual({
      ...NOT_READY,
      message: `${from} answers ${status}`,
      hint: silent,
      facts: { from, status },
      waits: patient,
    })
  })

  test.each([
    [reply(404), '404'],
    [reply(201, '{}'), '201'],
    [reply(200, '<p>'), '200 with HTML'],
  ])('%# is no description', async (answer, words) => {
    expect(await told(oidc, answer)).toEqual({
      ...REFUSED,
      message: `${from} does not describe itself (${words})`,
      hint: `CONJUR_OIDC_ISSUER must be the issuer as the provider writes it: ${description}`,
      facts: { from, status: answer.status },
    })
  })

  test.each([
    [
      { issuer: 'https://id.example.com' },
      'calls itself https://id.example.com, not https://id.example.com/',
      'write in CONJUR_OIDC_ISSUER what the provider calls itself: https://id.example.com',
    ],
    [
      { issuer: undefined },
      'calls itself nothing, not https://id.example.com/',
      `see its description: ${description}`,
    ],
    [
      { token_endpoint: undefined },
      'names no token endpoint',
      `see its description: ${description}`,
    ],
    [{ token_endpoint: '::' }, 'names no token endpoint', `see its description: ${description}`],
    [
      { token_endpoint: 'http://id.example.com/token' },
      'sends its clients to http://id.example.com, which is not https',
      "correct the provider's token_endpoint: a secret is sent there",
    ],
  ])('P8 %o is refused before anything is sent', async (about, what, hint) => {
    expect(await told(oidc, provider(reply(500), about))).toEqual({
      ...REFUSED,
      message: `${from} ${what}`,
      hint,
      facts: { from, status: 200 },
    })
  })

  test('it is asked for an hour later, and not before', async () => {
    const clock = fakeClock()
    const token = says(200, { id_token: unsignedJwt() })
    const { send, requests } = scriptedSend(provider(token))
    const source = oidc({ send, clock, random: () => 0 })
    const discoveries = async (): Promise<number> => {
      await source.token(new AbortController().signal)
      return requests.filter(({ method }) => method === 'GET').length
    }

    expect(await discoveries()).toBe(1)
    await clock.advance(3_599_999)
    expect(await discoveries()).toBe(1)
    await clock.advance(1)
    expect(await discoveries()).toBe(2)
  })

  test.each([ISSUER, 'https://id.example.com'])('%s is found in one place', async (issuer) => {
    const { send, requests } = scriptedSend(() => reply(404))
    const asked = oidc({ send, clock: hastyClock(), random: () => 0 }, { issuer })

    await asked.token(new AbortController().signal).catch(() => undefined)

    expect(requests[0]).toMatchObject({
      method: 'GET',
      headers: { Accept: 'application/json' },
      deadlineMs: 30_000,
    })
    expect(requests[0]?.url.href).toBe('https://id.example.com/.well-known/openid-configuration')
  })
})

describe('P5 what an OpenID provider answers to a client is told whole', () => {
  test.each([
    [reply(429), {}],
    [reply(500), {}],
    [says(400, { error: 'temporarily_unavailable' }), { error: 'temporarily_unavailable' }],
    [says(400, { error: 'server_error' }), { error: 'server_error' }],
  ])('%# is waited out', async (answer, said) => {
    expect(await told(oidc, provider(answer))).toEqual({
      ...NOT_READY,
      message: `${from} answers ${answer.status}`,
      hint: silent,
      facts: { from, status: answer.status, ...said },
      waits: patient,
    })
  })

  const trust = `compare issuer, subject and audience of ${assertionFile} with what the provider trusts for web`
  const client = `compare CONJUR_OIDC_CLIENT_ID and the content of ${secretFile} with the provider's client`
  const grant = 'allow client web the grant client_credentials (a service account) at the provider'
  test.each([
    [ASSERTION, 'invalid_client', trust, [0]],
    [ASSERTION, 'invalid_grant', trust, [0]],
    [SECRET, 'invalid_client', client, []],
    [SECRET, 'invalid_grant', client, []],
    [
      ASSERTION,
      'invalid_scope',
      'correct CONJUR_OIDC_SCOPE openid: the provider does not grant it to web',
      [],
    ],
    [
      ASSERTION,
      'invalid_target',
      'correct CONJUR_OIDC_AUDIENCE: the provider does not issue tokens for it',
      [],
    ],
    [ASSERTION, 'unauthorized_client', grant, []],
    [ASSERTION, 'unsupported_grant_type', grant, []],
    [ASSERTION, 'other', "look at the provider's log for client web", []],
  ])('by %o: %s', async (proof, error, hint, waits) => {
    expect(await told((around) => oidc(around, { proof }), provider(says(400, { error })))).toEqual(
      {
        ...REFUSED,
        message: `${from} refuses client web: ${error} (400)`,
        hint,
        facts: { from, status: 400, error },
        waits,
      },
    )
  })

  test('a refusal without a reason', async () => {
    expect(await told(oidc, provider(reply(401)))).toMatchObject({
      message: `${from} refuses client web: no reason given (401)`,
      hint: "look at the provider's log for client web",
    })
  })

  test.each([
    ['id_token', 'access_token'],
    ['access_token', 'id_token'],
  ] as const)('an answer without %s names the other field', async (tokenField, other) => {
    expect(
      await told((around) => oidc(around, { tokenField }), provider(says(200, { error: 'no' }))),
    ).toEqual({
      ...MALFORMED,
      retryable: false,
      message: `${from} gives no ${tokenField} for client credentials`,
      hint: `have the provider issue one (scope openid), or set CONJUR_OIDC_TOKEN_FIELD=${other} if that is a JWT Conjur accepts`,
      facts: { from, status: 200, error: 'no' },
      waits: [],
    })
  })

  test('a page in the place of an answer is asked again', async () => {
    expect(await told(oidc, provider(reply(200, '<p>')))).toMatchObject({
      ...MALFORMED,
      message: `${from} answers 200 with HTML without a token`,
      waits: patient,
    })
  })
})

describe('how a client proves itself', () => {
  const basic = { Authorization: `Basic ${Buffer.from('web:s%26cret').toString('base64')}` }
  const grant = { grant_type: 'client_credentials', scope: 'openid' }
  const byPost = { ...grant, client_id: 'web', client_secret: 's&cret' }
  const methods = (...named: readonly string[]): Readonly<Record<string, unknown>> => ({
    token_endpoint_auth_methods_supported: named,
  })

  test.each([
    ['by Basic where the provider says nothing', SECRET, {}, basic, grant],
    ['by Basic where it is taken', SECRET, methods('x', 'client_secret_basic'), basic, grant],
    ['by form where Basic is not', SECRET, methods('client_secret_post'), {}, byPost],
    [
      'by assertion',
      ASSERTION,
      {},
      {},
      {
        ...grant,
        client_id: 'web',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: unsignedJwt(),
      },
    ],
  ])('%s', async (_, proof, about, headers, form) => {
    const answer = provider(says(200, { id_token: unsignedJwt() }), about)
    const { send, requests } = scriptedSend(answer)

    await oidc({ send, clock: hastyClock(), random: () => 0 }, { proof }).token(
      new AbortController().signal,
    )

    expect(requests[1]).toMatchObject({ method: 'POST', deadlineMs: 30_000 })
    expect(requests[1]?.url.href).toBe('https://id.example.com/token')
    expect(requests[1]?.headers).toEqual({
      'Content-Type': 'application/x-www-form-urlencoded',
      Accept: 'application/json',
      ...headers,
    })
    expect(Object.fromEntries(new URLSearchParams(String(requests[1]?.body)))).toEqual(form)
  })

  test.each([
    [ASSERTION, 'CONJUR_OIDC_ASSERTION_FILE'],
    [SECRET, 'CONJUR_OIDC_CLIENT_SECRET_FILE'],
  ])('P5 a proof that is not there (%o) names its setting', async (proof, setting) => {
    const gone = { ...proof, file: `${proof.file}.gone` }

    expect(
      await told((around) => oidc(around, { proof: gone }), provider(reply(500))),
    ).toMatchObject({ code: 'IDENTITY_ABSENT', hint: expect.stringContaining(setting) })
  })

  test('P3 an assertion that has ended is not sent', async () => {
    const file = join(directory.path, 'ended')
    await writeFile(file, unsignedJwt({ exp: 1 }))
    const proof = { kind: 'assertion', file } as const

    expect(await told((around) => oidc(around, { proof }), provider(reply(500)))).toMatchObject({
      code: 'IDENTITY_EXPIRED',
      message: expect.stringContaining(`the platform token from ${file} expired`),
    })
  })

  test('P10 the file of its proof is watched', () => {
    const { send } = scriptedSend(() => reply(500))

    expect(oidc({ send, clock: hastyClock(), random: () => 0 })).toMatchObject({
      name: 'oidc-client-credentials',
      watched: [assertionFile],
    })
  })
})
