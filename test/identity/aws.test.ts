import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'

import type { IdentityError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { aws, type AwsOptions } from '../../src/identity/aws.ts'
import type { AwsOrigin } from '../../src/identity/aws-origin.ts'
import { signGetCallerIdentity } from '../../src/identity/aws-signature.ts'
import { hastyClock, TEST_TIME, type FakeClock } from '../support/fake-clock.ts'
import {
  AWS_KEYS,
  INSTANCE_HOST,
  judgeSignedHeaders,
  POD_IDENTITY_HOST,
  simulatedContainer,
  simulatedInstance,
  simulatedSts,
  stsError,
} from '../support/platform-simulator/aws.ts'
import { startPlatform, type Platform } from '../support/platform-simulator/platform.ts'
import { json } from '../support/platform-simulator/replies.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { serviceAccountClaims, tokenMaker } from '../support/token-maker.ts'

const ROLE = 'arn:aws:iam::123456789012:role/web'
const STS = 'sts.us-east-1.amazonaws.com'
const cluster = await tokenMaker()
const signal = new AbortController().signal

let clock: FakeClock
let platform: Platform
let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let tokenFile: string
let role: string | undefined
let lifeMs: number
let instanceCode: string | undefined

const credentials = {
  accessKeyId: AWS_KEYS.AccessKeyId,
  secretAccessKey: new Secret(AWS_KEYS.SecretAccessKey),
  sessionToken: new Secret(AWS_KEYS.Token),
  expiresAt: undefined,
}

beforeEach(async () => {
  clock = hastyClock()
  directory = await temporaryDirectory()
  tokenFile = join(directory.path, 'token')
  await writeFile(tokenFile, await cluster.make(serviceAccountClaims()))
  role = 'web'
  lifeMs = 3_600_000
  instanceCode = undefined
  const expiration = (): string => new Date(clock.now() + lifeMs).toISOString()
  platform = await startPlatform(
    {
      [INSTANCE_HOST]: (request, violation) =>
        simulated({
          role: () => role,
          expiration,
          region: 'eu-west-1',
          ...(instanceCode === undefined ? {} : { code: instanceCode }),
        })(request, violation),
      [POD_IDENTITY_HOST]: simulatedContainer({
        path: '/v1/credentials',
        authorization: () => 'pod-token',
        expiration,
      }),
      [STS]: simulatedSts({
        roleArn: ROLE,
        federation: {
          issuer: cluster.issuer,
          subject: 'system:serviceaccount:shop:web',
          jwks: { keys: [...cluster.jwks.keys] },
        },
        now: () => clock.now(),
        expiration,
      }),
    },
    clock,
  )
  // One simulated instance a test; its answer may change while it runs.
  let instance: ReturnType<typeof simulatedInstance> | undefined
  let made: string | undefined
  function simulated(
    options: Parameters<typeof simulatedInstance>[0],
  ): ReturnType<typeof simulatedInstance> {
    if (instance === undefined || made !== options.code) instance = simulatedInstance(options)
    made = options.code
    return instance
  }
})

afterEach(async () => {
  expect(platform.violations).toEqual([])
  await platform.close()
  await directory[Symbol.asyncDispose]()
})

test('AWS accepts what is signed', () => {
  const signed = signGetCallerIdentity(credentials, { region: 'eu-west-1', now: TEST_TIME })

  expect(JSON.parse(signed.text())).toEqual({
    host: 'sts.eu-west-1.amazonaws.com',
    'x-amz-date': '20260120T090500Z',
    'x-amz-security-token': AWS_KEYS.Token,
    authorization: expect.stringMatching(
      /^AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE\/20260120\/eu-west-1\/sts\/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$/,
    ),
  })
  expect(judgeSignedHeaders(signed.text(), TEST_TIME)).toBeUndefined()
})

test('AWS accepts it without a session token, in every region, at any time', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('us-east-1', 'eu-central-2', 'us-gov-west-1', 'ap-southeast-4'),
      fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2099, 0) }),
      fc.boolean(),
      (region, now, isStatic) => {
        const signed = signGetCallerIdentity(
          { ...credentials, sessionToken: isStatic ? undefined : credentials.sessionToken },
          { region, now },
        )
        expect(judgeSignedHeaders(signed.text(), now)).toBeUndefined()
      },
    ),
  )
})

test('five minutes and a second later it is refused, and so is a changed region', () => {
  const signed = signGetCallerIdentity(credentials, { region: 'eu-west-1', now: TEST_TIME }).text()

  expect(judgeSignedHeaders(signed, TEST_TIME + 301_000)).toBe('Signature expired')
  expect(judgeSignedHeaders(signed.replaceAll('eu-west-1', 'eu-west-2'), TEST_TIME)).toBe(
    'SignatureDoesNotMatch',
  )
})

test('an instance signs for its own region', async () => {
  const signed = await source(instance()).token(signal)

  expect(judgeSignedHeaders(signed.secret.text(), clock.now())).toBeUndefined()
  expect(signed.secret.text()).toContain('"host":"sts.eu-west-1.amazonaws.com"')
  expect(platform.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'PUT /latest/api/token',
    'GET /latest/meta-data/iam/security-credentials/',
    'GET /latest/meta-data/iam/security-credentials/web',
    'PUT /latest/api/token',
    'GET /latest/meta-data/placement/region',
  ])
})

test('a region that is set is signed for', async () => {
  const signed = await source(instance(), { region: 'ap-south-1' }).token(signal)

  expect(signed.secret.text()).toContain('"host":"sts.ap-south-1.amazonaws.com"')
})

test('an instance without a role is IDENTITY_ABSENT', async () => {
  role = undefined

  const error = await failure(instance())

  expect(error).toMatchObject({
    code: 'IDENTITY_ABSENT',
    message: 'no role is attached to this instance (404)',
  })
})

test('a role that cannot be assumed is refused, though it comes with status 200', async () => {
  instanceCode = 'AssumeRoleUnauthorizedAccess'

  const error = await failure(instance())

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message:
      'the instance metadata service at 169.254.169.254 has no credentials of role web: AssumeRoleUnauthorizedAccess',
  })
})

test('a PUT that vanishes in a container is IDENTITY_ABSENT with the hop limit as hint, never version 1', async () => {
  platform.script(INSTANCE_HOST, [{ fault: 'silent', times: 100 }])

  const error = await failure(instance())

  expect(error).toMatchObject({
    code: 'IDENTITY_ABSENT',
    hint: expect.stringContaining('--http-put-response-hop-limit 2'),
  })
  expect(platform.requests.every(({ method }) => method === 'PUT')).toBe(true)
})

test('a session that ended is begun anew, once', async () => {
  platform.script(INSTANCE_HOST, [{ status: 200, body: 'session-of-before' }])

  const signed = await source(instance()).token(signal)

  expect(judgeSignedHeaders(signed.secret.text(), clock.now())).toBeUndefined()
})

test('credentials that end within five minutes are waited on', async () => {
  lifeMs = 60_000

  const error = await failure(instance())

  expect(error).toMatchObject({
    code: 'IDENTITY_EXPIRED',
    message:
      'the AWS credentials from the instance metadata service at 169.254.169.254 end in 60 s',
  })
})

test('the container authorization is sent as it is and its file read at each request', async () => {
  const file = join(directory.path, 'authorization')
  await writeFile(file, 'old\n')
  const origin: AwsOrigin = {
    kind: 'container',
    url: new URL(`http://${POD_IDENTITY_HOST}/v1/credentials`),
    authorization: { file },
  }
  const container = source(origin)
  const before = await container.token(signal).catch((error: unknown) => error)
  await writeFile(file, 'pod-token\n')

  const signed = await container.token(signal)

  expect(before).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: expect.stringContaining('(403, AccessDenied)'),
  })
  expect(judgeSignedHeaders(signed.secret.text(), clock.now())).toBeUndefined()
})

test('a line break inside the container authorization is refused', async () => {
  const error = await failure({
    kind: 'container',
    url: new URL(`http://${POD_IDENTITY_HOST}/v1/credentials`),
    authorization: new Secret('a\nX-Evil: 1'),
  })

  expect(error).toMatchObject({ code: 'IDENTITY_MALFORMED' })
  expect(platform.requests).toEqual([])
})

test('a web identity is exchanged at STS, unsigned', async () => {
  const signed = await source(webIdentity()).token(signal)

  expect(judgeSignedHeaders(signed.secret.text(), clock.now())).toBeUndefined()
})

test('a web identity that STS finds expired is read once more', async () => {
  platform.script(STS, [{ fault: stsError(400, 'ExpiredTokenException'), times: 9 }])

  const error = await failure(webIdentity())

  expect(platform.requests).toHaveLength(2)
  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    message: `AWS STS at ${STS} refuses ${ROLE} (400, ExpiredTokenException)`,
  })
})

test.each(['AccessDenied', 'InvalidIdentityToken'])('%s of STS is final', async (code) => {
  platform.script(STS, [stsError(403, code)])

  const error = await failure(webIdentity())

  expect(error).toMatchObject({
    code: 'IDENTITY_REFUSED',
    retryable: false,
    hint: expect.stringContaining('--role-name web'),
  })
})

test.each(['IDPCommunicationError', 'Throttling'])('%s of STS is waited out', async (code) => {
  platform.script(STS, [stsError(400, code)])

  await source(webIdentity()).token(signal)

  expect(clock.waits).toEqual([1000])
})

test('a missing web identity file is IDENTITY_ABSENT', async () => {
  await rm(tokenFile)

  const error = await failure(webIdentity())

  expect(error).toMatchObject({
    code: 'IDENTITY_ABSENT',
    hint: expect.stringContaining('AWS_WEB_IDENTITY_TOKEN_FILE'),
  })
})

test('an answer without credentials is IDENTITY_MALFORMED', async () => {
  platform.script(POD_IDENTITY_HOST, [{ fault: json(200, { AccessKeyId: 'a' }), times: 9 }])

  const error = await failure({
    kind: 'container',
    url: new URL(`http://${POD_IDENTITY_HOST}/v1/credentials`),
    authorization: undefined,
  })

  expect(error).toMatchObject({ code: 'IDENTITY_MALFORMED', retryable: true })
})

function instance(): AwsOrigin {
  return { kind: 'instance', baseUrl: new URL(`http://${INSTANCE_HOST}`) }
}

function webIdentity(): AwsOrigin {
  return { kind: 'web-identity', tokenFile, roleArn: ROLE, sessionName: 'conjur-agent' }
}

function source(origin: AwsOrigin, overrides: Partial<AwsOptions> = {}): ReturnType<typeof aws> {
  return aws({
    send: platform.send,
    directSend: platform.send,
    clock,
    random: () => 0,
    origin,
    ...overrides,
  })
}

function failure(origin: AwsOrigin): Promise<IdentityError> {
  return source(origin)
    .token(signal)
    .then(
      () => Promise.reject(new Error('there was a credential')),
      (error: IdentityError) => error,
    )
}
