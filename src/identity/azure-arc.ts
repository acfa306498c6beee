import { IdentityError } from '../core/errors.ts'
import type { HttpReply, HttpRequest } from '../core/http.ts'
import { isLocalHost } from '../core/local-host.ts'
import type { Secret } from '../core/secret.ts'
import { challengeFile, readChallengeFile } from './arc-challenge.ts'
import { ask, describe, jsonObject, problem, textField, tokenOutcome, type Place } from './ask.ts'
import { inWords, selectorSetting, type ManagedIdentityOptions } from './managed-identity.ts'
import { persistence, type Outcome, type RetryRule } from './persist.ts'
import type { IdentitySource, PlatformToken } from './source.ts'

export interface AzureArcOptions extends ManagedIdentityOptions {
  /** `IDENTITY_ENDPOINT`; the agent's fixed address where it is not set. */
  readonly endpoint?: URL | undefined
  /** Where the agent puts its challenge files; only a test has another place. */
  readonly tokensDirectory?: string
}

const HIMDS = new URL('http://127.0.0.1:40342/metadata/identity/oauth2/token')
const TOKENS_DIRECTORY = '/var/opt/azcmagent/tokens'
const FIRST_BOOT_MS = 60_000

const PATIENT: RetryRule = { waitsMs: [1000, 2000, 4000, 8000, 16_000] }
// A challenge file is made anew for every question and lives shortly: ask a new question.
const NEW_CHALLENGE: RetryRule = { waitsMs: [1000], retries: 2 }

const PARAMETER = {
  clientId: 'client_id',
  objectId: 'object_id',
  resourceId: 'msi_res_id',
} as const

/**
 * The identity of a machine that Azure Arc manages. Its agent proves that we are of this machine:
 * it names a file that only root and its own group can read, and wants the content back. Nothing
 * is cached, every login answers a challenge of its own.
 */
export function azureArc(options: AzureArcOptions): IdentitySource<PlatformToken> {
  const url = tokenUrl(options)
  const place: Place = {
    name: `the Arc agent at ${url.host}`,
    silenceHint: 'start it: systemctl status himdsd; azcmagent show',
    again: PATIENT,
  }
  const context = { ...options, place }
  const persist = persistence(options, FIRST_BOOT_MS)
  return {
    name: 'azure-arc',
    watched: [],
    token: (signal) =>
      persist(signal, async () => {
        const request = {
          method: 'GET',
          url,
          headers: { Metadata: 'true' },
          deadlineMs: 30_000,
          signal,
          place,
        } as const
        const challenge = await ask(options.send, request, (reply) => readChallenge(reply, context))
        if (!('value' in challenge)) return challenge
        return answer(challenge.value, request, context)
      }),
  }
}

function tokenUrl({ endpoint = HIMDS, resource, selector }: AzureArcOptions): URL {
  if (!isLocalHost(endpoint.hostname)) {
    throw new IdentityError('IDENTITY_REFUSED', `${endpoint.host} is no place for an Arc agent`, {
      hint: 'IDENTITY_ENDPOINT must be on this machine, as azcmagent sets it: http://localhost:40342/…',
    })
  }
  const url = new URL(endpoint)
  // The agent listens on IPv4 only, and `localhost` may be ::1 first.
  if (url.hostname === 'localhost') url.hostname = '127.0.0.1'
  url.searchParams.set('api-version', '2020-06-01')
  url.searchParams.set('resource', resource)
  if (selector !== undefined) url.searchParams.set(PARAMETER[selector.kind], selector.value)
  return url
}

interface Context extends AzureArcOptions {
  readonly place: Place
}

/** The path of the file to read: the agent's first answer has to be a challenge, even a token is refused. */
function readChallenge(reply: HttpReply, context: Context): Outcome<string> {
  const { place } = context
  if (reply.status !== 401) return unexpected(reply, context)
  const path = challengeFile(
    reply.headers['www-authenticate'],
    context.tokensDirectory ?? TOKENS_DIRECTORY,
  )
  if (path !== undefined) return { value: path }
  const error = problem(
    'IDENTITY_REFUSED',
    `${place.name} names a challenge file outside its own directory`,
    {
      place,
      reply,
      hint: `find out what listens at ${place.name} (ss -ltnp): it is not azcmagent, whose files are in ${TOKENS_DIRECTORY}`,
    },
  )
  return { error }
}

async function answer(
  path: string,
  request: Omit<HttpRequest, 'maxBodyBytes'> & { readonly place: Place },
  context: Context,
): Promise<Outcome<PlatformToken>> {
  let content: Secret
  try {
    content = await readChallengeFile(path)
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error
    return error.retryable ? { error, again: NEW_CHALLENGE } : { error }
  }
  const headers = { ...request.headers, Authorization: `Basic ${content.text()}` }
  return ask(context.send, { ...request, headers }, (reply) => {
    if (reply.status !== 200) return unexpected(reply, context)
    const now = context.clock.now()
    const json = jsonObject(reply)
    return echoes(json, context)
      ? tokenOutcome(textField(json, 'access_token'), reply, { place: context.place, now })
      : { error: ignoredSelector(reply, context) }
  })
}

// An older agent ignores the selector and gives the machine's own identity instead.
function echoes(
  json: Readonly<Record<string, unknown>> | undefined,
  { selector }: Context,
): boolean {
  if (selector === undefined) return true
  const echo = textField(json, PARAMETER[selector.kind])
  return echo?.toLowerCase() === selector.value.toLowerCase()
}

function ignoredSelector(reply: HttpReply, { place, selector }: Context): IdentityError {
  return problem(
    'IDENTITY_REFUSED',
    `${place.name} does not say that its token is of the ${inWords(selector)}`,
    {
      place,
      reply,
      hint: `upgrade azcmagent, or unset ${selectorSetting(selector)} to use the machine's own identity`,
    },
  )
}

function unexpected(reply: HttpReply, { place, clock }: Context): Outcome<never> {
  const about = { place, reply, now: clock.now() }
  const waitable = [404, 408, 429, 500, 502, 503, 504].includes(reply.status)
  if (waitable) {
    const error = problem('IDENTITY_NOT_READY', `${place.name} answers ${describe(reply)}`, {
      ...about,
      hint: place.silenceHint,
      retryable: true,
    })
    return { error, again: PATIENT }
  }
  const error = problem(
    'IDENTITY_REFUSED',
    `${place.name} answers ${describe(reply)} out of turn`,
    {
      ...about,
      hint: 'see what the agent says (azcmagent show, azcmagent logs), and whether it is azcmagent at all',
    },
  )
  return { error }
}
