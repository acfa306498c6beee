import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, describe, expect, test } from 'vitest'

import type { HttpReply, HttpRequest } from '../../src/core/http.ts'
import { Secret } from '../../src/core/secret.ts'
import { aws, type AwsOptions } from '../../src/identity/aws.ts'
import type { AwsOrigin } from '../../src/identity/aws-origin.ts'
import type { IdentitySource } from '../../src/identity/source.ts'
import { hastyClock } from '../support/fake-clock.ts'
import { reply, scriptedSend } from '../support/scripted-send.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { says, told, unsignedJwt, type Around } from '../support/told.ts'

const directory = await temporaryDirectory()
const tokenFile = join(directory.path, 'token')
await writeFile(tokenFile, unsignedJwt())
afterAll(() => directory[Symbol.asyncDispose]())

const INSTANCE: AwsOrigin = { kind: 'instance', baseUrl: new URL('http://169.254.169.254') }
const CONTAINER = {
  kind: 'container',
  url: new URL('http://169.254.170.2/v2/credentials'),
  authorization: undefined,
} as const
const ROLE = 'arn:aws:iam::123456789012:role/web'
const WEB_IDENTITY: AwsOrigin = {
  kind: 'web-identity',
  tokenFile,
  roleArn: ROLE,
  sessionName: 'conjur-agent',
}
const KEYS = { AccessKeyId: 'id', SecretAccessKey: 'key', Token: 'session' }
const REFUSED = { code: 'IDENTITY_REFUSED', retryable: false, waits: [] }
const NOT_READY = { code: 'IDENTITY_NOT_READY', retryable: true }

const from =
  (origin: AwsOrigin) =>
  (around: Around): IdentitySource =>
    aws({ ...around, directSend: around.send, origin })

describe('P5 what an instance answers is told whole', () => {
  const place = 'the instance metadata service at 169.254.169.254'
  const hops =
    'in a container raise the hop limit: aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2'

  test.each([429, 500])('%i is asked again three times', async (status) => {
    expect(await told(from(INSTANCE), reply(status))).toEqual({
      ...NOT_READY,
      message: `${place} answers ${status}`,
      hint: hops,
      facts: { from: place, status },
      waits: [1000, 2000, 4000],
    })
  })

  test('a session that is not known is begun anew once, at once', async () => {
    expect(await told(from(INSTANCE), reply(401))).toEqual({
      ...NOT_READY,
      message: `${place} does not know its own session (401)`,
      hint: hops,
      facts: { from: place, status: 401 },
      waits: [0],
    })
  })

  test('404 is an instance without a role', async () => {
    expect(await told(from(INSTANCE), reply(404))).toEqual({
      code: 'IDENTITY_ABSENT',
      retryable: false,
      message: 'no role is attached to this instance (404)',
      hint: 'attach one: aws ec2 associate-iam-instance-profile',
      facts: { from: place, status: 404 },
      waits: [],
    })
  })

  test('403 is a service that is switched off', async () => {
    expect(await told(from(INSTANCE), reply(403, '<html>'))).toEqual({
      ...REFUSED,
      message: `${place} refuses (403 with HTML)`,
      hint: 'switch it on: aws ec2 modify-instance-metadata-options --http-endpoint enabled',
      facts: { from: place, status: 403 },
    })
  })

  test('a role that may not be assumed, the first of those listed', async () => {
    const answer = instance({ role: ' web\nother', keys: { Code: 'AssumeRoleUnauthorizedAccess' } })

    expect(await told(from(INSTANCE), answer)).toEqual({
      ...REFUSED,
      message: `${place} has no credentials of role web: AssumeRoleUnauthorizedAccess`,
      hint: 'let ec2.amazonaws.com assume it: aws iam get-role --role-name web',
      facts: { from: place, status: 200 },
    })
  })

  test.each(['AccessKeyId', 'SecretAccessKey', 'Token'])(
    'an answer without %s',
    async (missing) => {
      const answer = instance({ keys: { Code: 'Success', ...KEYS, [missing]: undefined } })

      expect(await told(from(INSTANCE), answer)).toEqual({
        code: 'IDENTITY_MALFORMED',
        retryable: true,
        message: `${place} answers 200 without credentials`,
        hint: `find out what answers in its place; ${hops}`,
        facts: { from: place, status: 200 },
        waits: [1000, 2000, 4000],
      })
    },
  )

  test('credentials that end too soon', async () => {
    // The clock has moved by seven seconds of waiting when the last answer comes.
    const answer = instance({ keys: { ...KEYS, Expiration: '2026-01-20T09:09:59Z' } })

    expect(await told(from(INSTANCE), answer)).toEqual({
      code: 'IDENTITY_EXPIRED',
      retryable: true,
      message: `the AWS credentials from ${place} end in 292 s`,
      hint: 'compare the clock of this machine (date -u); AWS renews them well before their end',
      facts: { from: place, seconds: 292 },
      waits: [1000, 2000, 4000],
    })
  })
})

describe('an instance that does not answer one question', () => {
  const asked: string[] = []
  const failing =
    (which: (path: string, count: number) => boolean) =>
    (request: HttpRequest): HttpReply => {
      const path = request.url.pathname
      asked.push(path.split('/').slice(-2).join('/'))
      return which(path, asked.length) ? reply(403) : instance()(request)
    }

  test.each([
    ['token', ['api/token']],
    ['credentials/', ['api/token', 'security-credentials/']],
  ])('%s is not asked the next', async (path, expected) => {
    asked.length = 0

    expect(
      await told(
        from(INSTANCE),
        failing((at) => at.endsWith(path)),
      ),
    ).toMatchObject(REFUSED)
    expect(asked).toEqual(expected)
  })

  test('without a second session no region is asked for', async () => {
    asked.length = 0

    const { region } = await credential(
      INSTANCE,
      failing((_, count) => count === 4),
    )

    expect(region).toBe('us-east-1')
    expect(asked.slice(3)).toEqual(['api/token'])
  })
})

describe('what an instance is asked for', () => {
  test('credentials that live for five minutes will do', async () => {
    const answer = instance({ keys: { ...KEYS, Expiration: '2026-01-20T09:10:00Z' } })

    expect((await credential(INSTANCE, answer)).region).toBe('eu-west-1')
  })

  test.each(['us-gov-west-1', 'ap-southeast-4'])('its region is signed for: %s', async (region) => {
    const signed = await credential(INSTANCE, instance({ region: ` ${region}\n` }))

    expect(signed.region).toBe(region)
  })

  test.each([
    ['a page', reply(200, '<html>')],
    ['an evil name', reply(200, 'x.evil.example.com/us-east-2')],
    ['a name with more behind it', reply(200, 'us-east-2.example.com')],
    ['a name with more before it', reply(200, 'a-us-east-2')],
    ['no number', reply(200, 'us-east-')],
    ['an outage', reply(500)],
  ])('where its region cannot be learnt (%s), us-east-1 is signed for', async (_, answer) => {
    expect((await credential(INSTANCE, instance({ regionAnswer: answer }))).region).toBe(
      'us-east-1',
    )
  })

  test('a session of six hours, then everything by it and within five seconds', async () => {
    const { requests } = await credential(INSTANCE, instance())

    expect(
      requests.map(({ method, url, headers, deadlineMs }) => [
        method,
        url.pathname,
        headers,
        deadlineMs,
      ]),
    ).toEqual([
      ['PUT', '/latest/api/token', { 'X-aws-ec2-metadata-token-ttl-seconds': '21600' }, 5000],
      ...['iam/security-credentials/', 'iam/security-credentials/web'].map((path) => [
        'GET',
        `/latest/meta-data/${path}`,
        { 'X-aws-ec2-metadata-token': 'session' },
        5000,
      ]),
      ['PUT', '/latest/api/token', { 'X-aws-ec2-metadata-token-ttl-seconds': '21600' }, 5000],
      [
        'GET',
        '/latest/meta-data/placement/region',
        { 'X-aws-ec2-metadata-token': 'session' },
        5000,
      ],
    ])
  })

  test('a role with a slash in its name cannot change the path', async () => {
    const { requests } = await credential(INSTANCE, instance({ role: 'a/../b' }))

    expect(requests[2]?.url.pathname).toBe('/latest/meta-data/iam/security-credentials/a%2F..%2Fb')
  })
})

describe('P5 what the credentials endpoint of a container answers is told whole', () => {
  const place = 'the container credentials endpoint at 169.254.170.2'
  const hint = 'see that the task role or Pod Identity agent is there: env | grep AWS_CONTAINER'

  test.each([429, 500])('%i is asked again three times', async (status) => {
    expect(await told(from(CONTAINER), reply(status))).toEqual({
      ...NOT_READY,
      message: `${place} answers ${status}`,
      hint,
      facts: { from: place, status },
      waits: [1000, 1000, 1000],
    })
  })

  test.each([
    [reply(403), '403'],
    [says(400, { code: 'AccessDeniedException' }), '400, AccessDeniedException'],
  ])('%# is refused', async (answer, words) => {
    expect(await told(from(CONTAINER), answer)).toEqual({
      ...REFUSED,
      message: `${place} refuses (${words})`,
      hint: 'give the pod or task a role: aws eks list-pod-identity-associations, or taskRoleArn',
      facts: { from: place, status: answer.status },
    })
  })

  test.each([
    [new Secret('a\nX-Evil: 1'), 'AWS_CONTAINER_AUTHORIZATION_TOKEN'],
    [new Secret('a\rX-Evil: 1'), 'AWS_CONTAINER_AUTHORIZATION_TOKEN'],
  ])('P8 an authorization with a line break goes nowhere', async (authorization, setting) => {
    expect(await told(from({ ...CONTAINER, authorization }), reply(200))).toEqual({
      code: 'IDENTITY_MALFORMED',
      retryable: false,
      message: 'the authorization for the container credentials holds a line break',
      hint: `see what writes ${setting}`,
      facts: {},
      waits: [],
    })
  })

  test('P8 nor does one out of a file, which is named', async () => {
    const file = join(directory.path, 'authorization')
    await writeFile(file, 'a\nX-Evil: 1')

    expect(await told(from({ ...CONTAINER, authorization: { file } }), reply(200))).toMatchObject({
      hint: `see what writes ${file}`,
    })
  })

  test('P5 a file that is not there names the setting for it', async () => {
    const file = join(directory.path, 'gone')

    expect(await told(from({ ...CONTAINER, authorization: { file } }), reply(200))).toMatchObject({
      hint: expect.stringContaining('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'),
    })
  })

  test('without an authorization none is sent', async () => {
    const { requests } = await credential(CONTAINER, () => says(200, KEYS))

    expect(requests[0]).toMatchObject({ method: 'GET', headers: {}, deadlineMs: 5000 })
  })

  test('https goes the usual way, http straight to the machine', async () => {
    const direct = scriptedSend(() => says(200, KEYS))
    const secure = { ...CONTAINER, url: new URL('https://credentials.example.com/') }

    const { requests } = await credential(secure, () => says(200, KEYS), {
      directSend: direct.send,
    })
    await credential(CONTAINER, () => reply(500), { directSend: direct.send })

    expect(requests).toHaveLength(1)
    expect(direct.requests.map(({ url }) => url.host)).toEqual(['169.254.170.2'])
  })
})

describe('P5 what STS answers to a web identity is told whole', () => {
  const place = 'AWS STS at sts.us-east-1.amazonaws.com'
  const patient = [1000, 2000, 4000, 8000, 8000, 8000, 8000]

  test.each([
    [sts(429, 'TooMany'), '429, TooMany'],
    [sts(500, 'InternalFailure'), '500, InternalFailure'],
    [reply(503, '<html>'), '503 with HTML'],
    [sts(400, 'Throttling'), '400, Throttling'],
    [sts(400, 'IDPCommunicationError'), '400, IDPCommunicationError'],
  ])('%# is waited out for a minute', async (answer, words) => {
    expect(await told(from(WEB_IDENTITY), answer)).toEqual({
      ...NOT_READY,
      message: `${place} answers ${words}`,
      hint: 'allow this workload to reach https://sts.us-east-1.amazonaws.com, or set CONJUR_AWS_REGION',
      facts: { from: place, status: answer.status },
      waits: patient,
    })
  })

  test.each([
    [sts(403, 'AccessDenied'), '403, AccessDenied', []],
    [sts(400, 'NoThrottling'), '400, NoThrottling', []],
    [reply(403), '403', []],
    [sts(400, 'ExpiredTokenException'), '400, ExpiredTokenException', [0]],
  ])('%# is refused', async (answer, words, waits) => {
    expect(await told(from(WEB_IDENTITY), answer)).toEqual({
      ...REFUSED,
      message: `${place} refuses ${ROLE} (${words})`,
      hint: "compare the role's trust policy with the token's issuer, sub and aud: aws iam get-role --role-name web",
      facts: { from: place, status: answer.status },
      waits,
    })
  })

  test('the exchange is a form, whole', async () => {
    const { requests } = await credential(WEB_IDENTITY, () => assumed(), { region: 'eu-west-1' })

    expect(requests[0]).toMatchObject({
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      deadlineMs: 30_000,
    })
    expect(requests[0]?.url.href).toBe('https://sts.eu-west-1.amazonaws.com/')
    expect(Object.fromEntries(new URLSearchParams(String(requests[0]?.body)))).toEqual({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: ROLE,
      RoleSessionName: 'conjur-agent',
      WebIdentityToken: unsignedJwt(),
    })
  })

  test('credentials that end too soon are asked for again', async () => {
    const ends = assumed('session', '2026-01-20T09:06:00Z')

    expect(await told(from(WEB_IDENTITY), ends)).toMatchObject({
      code: 'IDENTITY_EXPIRED',
      message: expect.stringContaining(`the AWS credentials from ${place} end in`),
      waits: patient,
    })
  })

  test('P3 a web identity that has ended is not sent', async () => {
    const ended = join(directory.path, 'ended')
    await writeFile(ended, unsignedJwt({ exp: 1 }))

    expect(await told(from({ ...WEB_IDENTITY, tokenFile: ended }), assumed())).toMatchObject({
      code: 'IDENTITY_EXPIRED',
      message: expect.stringContaining(`the platform token from ${ended} expired`),
    })
  })

  test('entities of XML are undone, each once', async () => {
    const signed = await credential(WEB_IDENTITY, () => assumed(' &lt;a&gt;&quot;b&amp;lt;+/&lt; '))

    expect(signed.headers['x-amz-security-token']).toBe('<a>"b&lt;+/<')
  })
})

describe('what is watched', () => {
  const file = '/etc/authorization'
  test.each<[AwsOrigin, readonly string[]]>([
    [WEB_IDENTITY, [tokenFile]],
    [{ ...CONTAINER, authorization: { file } }, [file]],
    [{ ...CONTAINER, authorization: new Secret('s') }, []],
    [CONTAINER, []],
    [INSTANCE, []],
    [fixed(), []],
  ])('P10 %#', (origin, watched) => {
    const { send } = scriptedSend(() => reply(500))

    expect(from(origin)({ send, clock: hastyClock(), random: () => 0 })).toMatchObject({
      name: 'aws',
      watched,
    })
  })
})

test('keys that are set sign at once, for us-east-1', async () => {
  const signed = await credential(fixed(), () => reply(500))

  expect(signed).toMatchObject({ region: 'us-east-1', requests: [] })
  expect(signed.headers['authorization']).toContain('Credential=AKIA/20260120/us-east-1/sts/')
})

function fixed(): AwsOrigin {
  return {
    kind: 'static',
    accessKeyId: 'AKIA',
    secretAccessKey: new Secret('key'),
    sessionToken: undefined,
  }
}

interface Instance {
  readonly role?: string
  readonly keys?: Readonly<Record<string, string | undefined>>
  readonly region?: string
  readonly regionAnswer?: HttpReply
}

function instance({
  role = 'web',
  keys = KEYS,
  region = 'eu-west-1',
  regionAnswer = reply(200, region),
}: Instance = {}): (request: HttpRequest) => HttpReply {
  return ({ url }) => {
    if (url.pathname.endsWith('/token')) return reply(200, ' session\n')
    if (url.pathname.endsWith('/region')) return regionAnswer
    return url.pathname.endsWith('/') ? reply(200, role) : says(200, keys)
  }
}

function sts(status: number, code: string): HttpReply {
  return reply(status, `<ErrorResponse><Error><Code>${code}</Code></Error></ErrorResponse>`)
}

function assumed(sessionToken = 'session', ends?: string): HttpReply {
  const keys = `<AccessKeyId>id</AccessKeyId><SecretAccessKey>key</SecretAccessKey>`
  const end = ends === undefined ? '' : `<Expiration>${ends}</Expiration>`
  return reply(200, `<C>${keys}<SessionToken>${sessionToken}</SessionToken>${end}</C>`)
}

interface Signed {
  readonly region: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly requests: readonly HttpRequest[]
}

/** What is signed with the credentials of an origin; `headers` is empty where there are none. */
async function credential(
  origin: AwsOrigin,
  answer: (request: HttpRequest) => HttpReply,
  more: Partial<AwsOptions> = {},
): Promise<Signed> {
  const { send, requests } = scriptedSend(answer)
  const source = aws({
    send,
    directSend: send,
    clock: hastyClock(),
    random: () => 0,
    origin,
    ...more,
  })
  const { secret } = await source.token(new AbortController().signal)
  const headers: Readonly<Record<string, string>> = JSON.parse(secret.text())
  return {
    region: /^sts\.(.*)\.amazonaws\.com$/.exec(headers['host'] ?? '')?.[1],
    headers,
    requests,
  }
}
