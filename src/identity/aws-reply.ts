import { IdentityError } from '../core/errors.ts'
import type { HttpReply, Send } from '../core/http.ts'
import { Secret } from '../core/secret.ts'
import { jsonObject, problem, textField, type Place } from './ask.ts'
import { instant } from './expiry.ts'
import type { AwsCredentials } from './aws-signature.ts'
import type { Outcome } from './persist.ts'
import type { Clock } from './source.ts'

/** What every way of fetching AWS credentials needs. */
export interface FetchContext {
  readonly send: Send
  readonly clock: Pick<Clock, 'now'>
  readonly signal: AbortSignal
}

/** Credentials have to outlive the login that they prove. */
const LEAST_LIFE_MS = 5 * 60_000

/** Credentials out of the JSON that instances and containers are given, or why it holds none. */
export function credentialsIn(
  reply: HttpReply,
  { place, now }: { readonly place: Place; readonly now: number },
): Outcome<AwsCredentials> {
  const json = jsonObject(reply)
  return credentialsOf(
    {
      accessKeyId: textField(json, 'AccessKeyId'),
      secretAccessKey: textField(json, 'SecretAccessKey'),
      sessionToken: textField(json, 'Token'),
      expiration: textField(json, 'Expiration'),
    },
    reply,
    { place, now },
  )
}

/** Credentials of four texts, if they are complete and live long enough for a login. */
export function credentialsOf(
  found: Readonly<
    Record<'accessKeyId' | 'secretAccessKey' | 'sessionToken' | 'expiration', string | undefined>
  >,
  reply: HttpReply,
  { place, now }: { readonly place: Place; readonly now: number },
): Outcome<AwsCredentials> {
  const { accessKeyId, secretAccessKey, sessionToken } = found
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined) {
    const error = problem(
      'IDENTITY_MALFORMED',
      `${place.name} answers ${reply.status} without credentials`,
      {
        place,
        reply,
        now,
        hint: `find out what answers in its place; ${place.silenceHint}`,
        retryable: true,
      },
    )
    return { error, again: place.again }
  }
  const expiresAt = instant(found.expiration)
  if (expiresAt !== undefined && expiresAt < now + LEAST_LIFE_MS) {
    const seconds = Math.round((expiresAt - now) / 1000)
    const error = new IdentityError(
      'IDENTITY_EXPIRED',
      `the AWS credentials from ${place.name} end in ${seconds} s`,
      {
        hint: 'compare the clock of this machine (date -u); AWS renews them well before their end',
        retryable: true,
        facts: { from: place.name, seconds },
      },
    )
    return { error, again: place.again }
  }
  const value = {
    accessKeyId,
    secretAccessKey: new Secret(secretAccessKey),
    sessionToken: new Secret(sessionToken),
    expiresAt,
  }
  return { value }
}
