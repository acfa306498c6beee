import { createHash, createHmac } from 'node:crypto'

import { createLocalJWKSet, errors, jwtVerify, type JSONWebKeySet } from 'jose'

import type { Endpoint, Reply } from './platform.ts'
import { exactHeader, json, text } from './replies.ts'

/** Keys that the simulated AWS knows. */
export const AWS_KEYS = {
  AccessKeyId: 'ASIAEXAMPLE',
  SecretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  Token: 'IQoJb3JpZ2luX2VjEXAMPLE//session+token==',
} as const

export const INSTANCE_HOST = '169.254.169.254'
export const ECS_HOST = '169.254.170.2'
export const POD_IDENTITY_HOST = '169.254.170.23'

/** EC2's metadata service, version 2 only. */
export function simulatedInstance(options: {
  readonly role: () => string | undefined
  readonly code?: string
  readonly expiration: () => string
  readonly region?: string
}): Endpoint {
  let session: string | undefined
  let count = 0
  return (request, violation) => {
    if (request.path === '/latest/api/token') {
      if (request.method !== 'PUT') return text(405, '')
      const ttl = Number(request.headers['x-aws-ec2-metadata-token-ttl-seconds'])
      if (!(ttl >= 1 && ttl <= 21_600)) return text(400, '')
      count += 1
      session = `session-${count}`
      return text(200, session)
    }
    const shown = exactHeader(request.rawHeaders, 'X-aws-ec2-metadata-token')
    if (shown === undefined) violation('a GET of version 1')
    if (shown !== session) return text(401, '')
    const role = options.role()
    const root = '/latest/meta-data/iam/security-credentials/'
    if (request.path === '/latest/meta-data/placement/region')
      return options.region === undefined ? text(404, '') : text(200, options.region)
    if (role === undefined) return text(404, '')
    if (request.path === root) return text(200, role)
    if (request.path !== root + role) return text(404, '')
    return json(200, {
      Code: options.code ?? 'Success',
      LastUpdated: '2026-01-20T09:00:00Z',
      Type: 'AWS-HMAC',
      ...(options.code === undefined ? { ...AWS_KEYS, Expiration: options.expiration() } : {}),
    })
  }
}

/** The credentials endpoint of an ECS task or of EKS Pod Identity. */
export function simulatedContainer(options: {
  readonly path: string
  readonly authorization?: () => string
  readonly expiration: () => string
}): Endpoint {
  return (request) => {
    if (request.path !== options.path)
      return json(404, { code: 'NotFound', message: 'no such path' })
    if (request.headers['authorization'] !== options.authorization?.()) {
      return json(403, { code: 'AccessDenied', message: 'wrong token' })
    }
    return json(200, {
      RoleArn: 'arn:aws:iam::123456789012:role/web',
      ...AWS_KEYS,
      Expiration: options.expiration(),
    })
  }
}

/** STS: AssumeRoleWithWebIdentity, for one role that trusts one subject. */
export function simulatedSts(options: {
  readonly roleArn: string
  readonly federation: {
    readonly issuer: string
    readonly subject: string
    readonly jwks: JSONWebKeySet
  }
  readonly now: () => number
  readonly expiration: () => string
}): Endpoint {
  return async (request, violation) => {
    if (request.method !== 'POST') violation('not a POST')
    if (request.headers['authorization'] !== undefined) violation('signed')
    const form = new URLSearchParams(request.body)
    if (form.get('Action') !== 'AssumeRoleWithWebIdentity' || form.get('Version') !== '2011-06-15')
      return stsError(400, 'InvalidAction')
    if (!/^[\w+=,.@-]{2,64}$/.test(form.get('RoleSessionName') ?? ''))
      violation('a bad RoleSessionName')
    if (form.get('RoleArn') !== options.roleArn) return stsError(403, 'AccessDenied')
    const { issuer, subject, jwks } = options.federation
    try {
      await jwtVerify(form.get('WebIdentityToken') ?? '', createLocalJWKSet(jwks), {
        issuer,
        currentDate: new Date(options.now()),
        subject,
      })
    } catch (error) {
      if (error instanceof errors.JWTExpired) return stsError(400, 'ExpiredTokenException')
      return error instanceof errors.JWTClaimValidationFailed
        ? stsError(403, 'AccessDenied')
        : stsError(400, 'InvalidIdentityToken')
    }
    return {
      status: 200,
      headers: { 'Content-Type': 'text/xml' },
      body: `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/web/conjur-agent</Arn></AssumedRoleUser>
    <Credentials>
      <SessionToken>${AWS_KEYS.Token}</SessionToken>
      <SecretAccessKey>${AWS_KEYS.SecretAccessKey}</SecretAccessKey>
      <Expiration>${options.expiration()}</Expiration>
      <AccessKeyId>${AWS_KEYS.AccessKeyId}</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>`,
    }
  }
}

export function stsError(status: number, code: string): Reply {
  return {
    status,
    headers: { 'Content-Type': 'text/xml' },
    body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>`,
  }
}

/**
 * What STS would find wrong with signed headers at this moment, by Signature Version 4 read anew from
 * AWS's description; undefined if it would accept them.
 */
export function judgeSignedHeaders(body: string, now: number): string | undefined {
  const sent = new Map(
    Object.entries(JSON.parse(body) as Record<string, string>).map(([name, value]) => [
      name.toLowerCase(),
      value,
    ]),
  )
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([a-z0-9-]+)\/sts\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/.exec(
      sent.get('authorization') ?? '',
    )
  if (match === null) return 'IncompleteSignature'
  const [, keyId = '', date = '', region = '', signed = '', signature] = match
  if (keyId !== AWS_KEYS.AccessKeyId) return 'InvalidClientTokenId'
  const allowed = ['host', 'x-amz-date', 'x-amz-security-token', 'x-amz-content-sha256']
  const names = signed.split(';')
  if (names.some((name) => !allowed.includes(name) || !sent.has(name)))
    return 'a header not allowed or not sent'
  if (names.join() !== [...names].sort().join()) return 'unsorted'
  if (!names.includes('host') || !names.includes('x-amz-date')) return 'host or date unsigned'
  if (sent.get('host') !== `sts.${region}.amazonaws.com`) return 'host and region differ'
  const stamp = sent.get('x-amz-date') ?? ''
  const at = Date.parse(
    stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
  )
  if (Number.isNaN(at) || !stamp.startsWith(date)) return 'bad date'
  if (Math.abs(now - at) > 300_000) return 'Signature expired'
  if ((sent.get('x-amz-security-token') ?? AWS_KEYS.Token) !== AWS_KEYS.Token) return 'InvalidToken'
  const empty = createHash('sha256').update('').digest('hex')
  const canonical = `GET\n/\nAction=GetCallerIdentity&Version=2011-06-15\n${names.map((name) => `${name}:${sent.get(name)?.trim() ?? ''}\n`).join('')}\n${signed}\n${empty}`
  const toSign = `AWS4-HMAC-SHA256\n${stamp}\n${date}/${region}/sts/aws4_request\n${createHash('sha256').update(canonical).digest('hex')}`
  const mac = (key: string | Buffer, data: string): Buffer =>
    createHmac('sha256', key).update(data, 'utf8').digest()
  const key = mac(
    mac(mac(mac(`AWS4${AWS_KEYS.SecretAccessKey}`, date), region), 'sts'),
    'aws4_request',
  )
  return createHmac('sha256', key).update(toSign).digest('hex') === signature
    ? undefined
    : 'SignatureDoesNotMatch'
}
