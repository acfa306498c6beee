import type { HttpReply, HttpRequest } from '../core/http.ts'
import { ask, describe, jsonObject, problem, textField, type Place } from './ask.ts'
import type { AwsOrigin } from './aws-origin.ts'
import { credentialsIn, type FetchContext } from './aws-reply.ts'
import type { AwsCredentials } from './aws-signature.ts'
import type { Outcome, RetryRule } from './persist.ts'

type InstanceOrigin = Extract<AwsOrigin, { kind: 'instance' }>

const PATIENT: RetryRule = { waitsMs: [1000, 2000, 4000], retries: 3 }
const NEW_SESSION: RetryRule = { waitsMs: [0], retries: 1 }

const SESSION_SECONDS = '21600'

/** The credentials of an EC2 instance's role, by IMDSv2 alone: version 1 answers whoever can make the instance send a GET. */
export async function fromInstance(
  origin: InstanceOrigin,
  context: FetchContext,
): Promise<Outcome<AwsCredentials>> {
  const imds = metadataService(origin, context)
  const session = await imds.session()
  if (!('value' in session)) return session
  const path = '/latest/meta-data/iam/security-credentials/'
  const role = await imds.get(path, session.value, (reply) => ({
    value: reply.body.toString('utf8').trim().split('\n')[0] ?? '',
  }))
  if (!('value' in role)) return role
  return imds.get(path + encodeURIComponent(role.value), session.value, (reply) =>
    successful(reply, { place: imds.place, now: context.clock.now(), role: role.value }),
  )
}

/** The region the instance runs in; undefined where that cannot be learnt, which is no failure. */
export async function instanceRegion(
  origin: InstanceOrigin,
  context: FetchContext,
): Promise<string | undefined> {
  const imds = metadataService(origin, context)
  const session = await imds.session()
  if (!('value' in session)) return undefined
  const region = await imds.get('/latest/meta-data/placement/region', session.value, (reply) => ({
    value: reply.body.toString('utf8').trim(),
  }))
  return 'value' in region && /^[a-z]{2}(-gov)?-[a-z]+-\d$/.test(region.value)
    ? region.value
    : undefined
}

interface MetadataService {
  readonly place: Place
  session(): Promise<Outcome<string>>
  get<T>(
    path: string,
    session: string,
    understand: (reply: HttpReply) => Outcome<T>,
  ): Promise<Outcome<T>>
}

function metadataService(
  { baseUrl }: InstanceOrigin,
  { send, clock, signal }: FetchContext,
): MetadataService {
  const place: Place = {
    name: `the instance metadata service at ${baseUrl.host}`,
    silenceHint:
      'in a container raise the hop limit: aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2',
    again: PATIENT,
  }
  const request = (
    path: string,
  ): Omit<HttpRequest, 'maxBodyBytes' | 'method'> & { place: Place } => ({
    url: new URL(path, baseUrl),
    deadlineMs: 5000,
    signal,
    place,
  })
  return {
    place,
    session: () =>
      ask<string>(
        send,
        {
          ...request('/latest/api/token'),
          method: 'PUT',
          headers: { 'X-aws-ec2-metadata-token-ttl-seconds': SESSION_SECONDS },
        },
        (reply) =>
          reply.status === 200
            ? { value: reply.body.toString('utf8').trim() }
            : refusal(reply, { place, now: clock.now() }),
      ),
    get: (path, session, understand) =>
      ask(
        send,
        { ...request(path), method: 'GET', headers: { 'X-aws-ec2-metadata-token': session } },
        (reply) =>
          reply.status === 200 ? understand(reply) : refusal(reply, { place, now: clock.now() }),
      ),
  }
}

function successful(
  reply: HttpReply,
  { place, now, role }: { readonly place: Place; readonly now: number; readonly role: string },
): Outcome<AwsCredentials> {
  const code = textField(jsonObject(reply), 'Code')
  if (code === undefined || code === 'Success') return credentialsIn(reply, { place, now })
  const error = problem(
    'IDENTITY_REFUSED',
    `${place.name} has no credentials of role ${role}: ${code}`,
    {
      place,
      reply,
      now,
      hint: `let ec2.amazonaws.com assume it: aws iam get-role --role-name ${role}`,
    },
  )
  return { error }
}

function refusal(
  reply: HttpReply,
  { place, now }: { readonly place: Place; readonly now: number },
): Outcome<never> {
  const about = { place, reply, now }
  if (reply.status === 401) {
    const error = problem(
      'IDENTITY_NOT_READY',
      `${place.name} does not know its own session (401)`,
      {
        ...about,
        hint: place.silenceHint,
        retryable: true,
      },
    )
    return { error, again: NEW_SESSION }
  }
  if (reply.status === 429 || reply.status >= 500) {
    const error = problem('IDENTITY_NOT_READY', `${place.name} answers ${describe(reply)}`, {
      ...about,
      hint: place.silenceHint,
      retryable: true,
    })
    return { error, again: PATIENT }
  }
  if (reply.status === 404) {
    const error = problem('IDENTITY_ABSENT', 'no role is attached to this instance (404)', {
      ...about,
      hint: 'attach one: aws ec2 associate-iam-instance-profile',
    })
    return { error }
  }
  const error = problem('IDENTITY_REFUSED', `${place.name} refuses (${describe(reply)})`, {
    ...about,
    hint: 'switch it on: aws ec2 modify-instance-metadata-options --http-endpoint enabled',
  })
  return { error }
}
