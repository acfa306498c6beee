import type { HttpReply } from '../core/http.ts'
import { ask, describe, problem, type Place } from './ask.ts'
import type { AwsOrigin } from './aws-origin.ts'
import { credentialsOf, type FetchContext } from './aws-reply.ts'
import type { AwsCredentials } from './aws-signature.ts'
import type { Outcome, RetryRule } from './persist.ts'
import { readTokenFile } from './projected-token.ts'
import { readPlatformToken } from './source.ts'

type WebIdentityOrigin = Extract<AwsOrigin, { kind: 'web-identity' }>

const PATIENT: RetryRule = { waitsMs: [1000, 2000, 4000, 8000] }
const READ_AGAIN: RetryRule = { waitsMs: [0], retries: 1 }

/** A role's credentials for a projected service-account token (IRSA); the token is read at each request. */
export async function fromWebIdentity(
  origin: WebIdentityOrigin,
  { send, clock, region, signal }: FetchContext & { readonly region: string },
): Promise<Outcome<AwsCredentials>> {
  const { tokenFile, roleArn, sessionName } = origin
  const host = `sts.${region}.amazonaws.com`
  const place: Place = {
    name: `AWS STS at ${host}`,
    silenceHint: `allow this workload to reach https://${host}, or set CONJUR_AWS_REGION`,
    again: PATIENT,
  }
  const text = await readTokenFile(tokenFile, 'AWS_WEB_IDENTITY_TOKEN_FILE')
  const token = readPlatformToken(text, { from: tokenFile, now: clock.now() })
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: roleArn,
    RoleSessionName: sessionName,
    WebIdentityToken: token.secret.text(),
  })
  return ask(
    send,
    {
      method: 'POST',
      url: new URL(`https://${host}/`),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
      deadlineMs: 30_000,
      signal,
      place,
    },
    (reply) => understand(reply, { place, now: clock.now(), roleArn }),
  )
}

interface Context {
  readonly place: Place
  readonly now: number
  readonly roleArn: string
}

function understand(reply: HttpReply, context: Context): Outcome<AwsCredentials> {
  const { place, now, roleArn } = context
  const xml = reply.body.toString('utf8')
  if (reply.status === 200) {
    const found = {
      accessKeyId: element(xml, 'AccessKeyId'),
      secretAccessKey: element(xml, 'SecretAccessKey'),
      sessionToken: element(xml, 'SessionToken'),
      expiration: element(xml, 'Expiration'),
    }
    return credentialsOf(found, reply, { place, now })
  }
  const code = element(xml, 'Code')
  const said = code === undefined ? describe(reply) : `${reply.status}, ${code}`
  const about = { place, reply, now }
  if (
    reply.status === 429 ||
    reply.status >= 500 ||
    /^(Throttling|IDPCommunicationError)/.test(code ?? '')
  ) {
    const error = problem('IDENTITY_NOT_READY', `${place.name} answers ${said}`, {
      ...about,
      hint: place.silenceHint,
      retryable: true,
    })
    return { error, again: PATIENT }
  }
  const error = problem('IDENTITY_REFUSED', `${place.name} refuses ${roleArn} (${said})`, {
    ...about,
    hint: `compare the role's trust policy with the token's issuer, sub and aud: aws iam get-role --role-name ${roleArn.split('/').pop() ?? roleArn}`,
  })
  return code === 'ExpiredTokenException' ? { error, again: READ_AGAIN } : { error }
}

/** The text of the first XML element of a name, entities undone; STS nests them, but no name occurs twice. */
function element(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]+)</${name}>`).exec(xml)?.[1]?.trim()
  return text
    ?.replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
}
