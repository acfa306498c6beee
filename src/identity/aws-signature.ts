import { createHash, createHmac } from 'node:crypto'

import { Secret } from '../core/secret.ts'

/** What AWS signs with; a session token makes them temporary. */
export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  readonly sessionToken: Secret | undefined
  /** Epoch milliseconds; undefined for static ones. */
  readonly expiresAt: number | undefined
}

const QUERY = 'Action=GetCallerIdentity&Version=2011-06-15'
/** Written out: making it would keep every pod waiting, whatever its identity. */
const HASH_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/**
 * Signs `GET https://sts.<region>.amazonaws.com/?Action=GetCallerIdentity` (Signature Version 4) and
 * yields its headers as the JSON that authn-iam takes. Exactly these headers are signed: Conjur
 * refuses any other, and an SDK's client would add its own. AWS refuses it after five minutes.
 */
export function signGetCallerIdentity(
  credentials: AwsCredentials,
  { region, now }: { readonly region: string; readonly now: number },
): Secret {
  const host = `sts.${region}.amazonaws.com`
  const timestamp = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const date = timestamp.slice(0, 8)
  const sessionToken = credentials.sessionToken?.text()
  const headers: Readonly<Record<string, string>> = {
    host,
    'x-amz-date': timestamp,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  }
  const names = Object.keys(headers).join(';')
  const canonical = [
    'GET',
    '/',
    QUERY,
    ...Object.entries(headers).map(([name, value]) => `${name}:${value}`),
    '',
    names,
    HASH_OF_NOTHING,
  ].join('\n')
  const scope = `${date}/${region}/sts/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', timestamp, scope, sha256(canonical)].join('\n')
  const key = [date, region, 'sts', 'aws4_request'].reduce(
    hmac,
    Buffer.concat([Buffer.from('AWS4'), credentials.secretAccessKey.bytes()]),
  )
  const signature = hmac(key, toSign).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  return new Secret(JSON.stringify({ ...headers, authorization }))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
