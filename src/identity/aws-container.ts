import { IdentityError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { ask, describe, jsonObject, problem, textField, type Place } from './ask.ts'
import type { AwsOrigin } from './aws-origin.ts'
import { credentialsIn, type FetchContext } from './aws-reply.ts'
import type { AwsCredentials } from './aws-signature.ts'
import type { Outcome } from './persist.ts'
import { readSecretFile } from './secret-file.ts'

type ContainerOrigin = Extract<AwsOrigin, { kind: 'container' }>

const AGAIN = { waitsMs: [1000], retries: 3 }

/** The credentials of an ECS task or, by EKS Pod Identity, of a pod. The authorization file is read at each request. */
export async function fromContainer(
  origin: ContainerOrigin,
  { send, clock, signal }: FetchContext,
): Promise<Outcome<AwsCredentials>> {
  const { url } = origin
  const place: Place = {
    name: `the container credentials endpoint at ${url.host}`,
    silenceHint: 'see that the task role or Pod Identity agent is there: env | grep AWS_CONTAINER',
    again: AGAIN,
  }
  const authorization = await authorizationOf(origin)
  return ask(
    send,
    {
      method: 'GET',
      url,
      headers: authorization === undefined ? {} : { Authorization: authorization.text() },
      deadlineMs: 5000,
      signal,
      place,
    },
    (reply) => {
      const now = clock.now()
      if (reply.status === 200) return credentialsIn(reply, { place, now })
      const about = { place, reply, now }
      if (reply.status === 429 || reply.status >= 500) {
        const error = problem('IDENTITY_NOT_READY', `${place.name} answers ${describe(reply)}`, {
          ...about,
          hint: place.silenceHint,
          retryable: true,
        })
        return { error, again: AGAIN }
      }
      const code = textField(jsonObject(reply), 'code')
      const error = problem(
        'IDENTITY_REFUSED',
        `${place.name} refuses (${reply.status}${code === undefined ? '' : `, ${code}`})`,
        {
          ...about,
          hint: 'give the pod or task a role: aws eks list-pod-identity-associations, or taskRoleArn',
        },
      )
      return { error }
    },
  )
}

async function authorizationOf({ authorization }: ContainerOrigin): Promise<Secret | undefined> {
  if (authorization === undefined) return undefined
  const setting = 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'
  const secret =
    authorization instanceof Secret
      ? authorization
      : await readSecretFile(authorization.file, setting)
  if (!/[\r\n]/.test(secret.text())) return secret
  throw new IdentityError(
    'IDENTITY_MALFORMED',
    'the authorization for the container credentials holds a line break',
    {
      hint: `see what writes ${authorization instanceof Secret ? 'AWS_CONTAINER_AUTHORIZATION_TOKEN' : authorization.file}`,
    },
  )
}
