import { IdentityError } from '../core/errors.ts'
import {
  retryAfterMs,
  SendFailure,
  type HttpReply,
  type HttpRequest,
  type Send,
} from '../core/http.ts'
import { parseRecord } from '../core/json.ts'
import type { Outcome, RetryRule } from './persist.ts'
import { endOfLife } from './expiry.ts'
import { expired, readPlatformToken, type PlatformToken } from './source.ts'

/** A platform's endpoint, in words and in patience. */
export interface Place {
  /** For messages, such as `the metadata service at 169.254.169.254`. */
  readonly name: string
  /** What to do where nobody answers there. */
  readonly silenceHint: string
  /** What to do where its certificate is not trusted. */
  readonly trustHint?: string
  /** How the vendor wants to be asked again. */
  readonly again: RetryRule
}

const LONGEST_REPLY = 256 * 1024

/** For an answer that is none: something else may stand in the platform's place, for a moment or for good. */
const BAD_ANSWER: RetryRule = { waitsMs: [1000, 2000, 4000, 8000, 16_000], retries: 5 }

/** One request as every source sends it: 256 KiB of reply at most, no redirect followed. */
export async function ask<T>(
  send: Send,
  request: Omit<HttpRequest, 'maxBodyBytes'> & { readonly place: Place },
  understand: (reply: HttpReply) => Outcome<T>,
): Promise<Outcome<T>> {
  const { place, ...rest } = request
  let reply: HttpReply
  try {
    reply = await send({ ...rest, maxBodyBytes: LONGEST_REPLY })
  } catch (failure) {
    if (failure instanceof SendFailure) return unanswered(failure, place)
    // What the request itself needs, a CA file for one, may be not ready either.
    if (!(failure instanceof IdentityError)) throw failure
    return failure.retryable ? { error: failure, again: place.again } : { error: failure }
  }
  return reply.status >= 300 && reply.status < 400 ? redirected(reply, place) : understand(reply)
}

/** What a reply's body says as a JSON object, whatever its media type; undefined if it is none. */
export function jsonObject(reply: HttpReply): Readonly<Record<string, unknown>> | undefined {
  return parseRecord(reply.body.toString('utf8').replace(/^\uFEFF/, ''))
}

/** A field of a JSON object, if it is a text that is not empty. */
export function textField(
  object: Readonly<Record<string, unknown>> | undefined,
  name: string,
): string | undefined {
  const value = object?.[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A JWT out of a successful reply, or a bad answer, which is worth another try. */
export function tokenOutcome(
  text: string | undefined,
  reply: HttpReply,
  context: { readonly place: Place; readonly now: number },
): Outcome<PlatformToken> {
  const { place, now } = context
  const hint = `see what answers in its place (a proxy, a sign-in page): ${place.silenceHint}`
  if (text === undefined) {
    const error = problem(
      'IDENTITY_MALFORMED',
      `${place.name} answers ${describe(reply)} without a token`,
      {
        place,
        reply,
        hint,
        retryable: true,
      },
    )
    return { error, again: BAD_ANSWER }
  }
  const issuedBy = { from: place.name, now: issuerNow(reply, now), hint }
  try {
    const token = readPlatformToken(text, issuedBy)
    const expiresAt = endOfLife(token, jsonObject(reply) ?? {}, issuedBy.now)
    if (expiresAt !== undefined && expiresAt <= issuedBy.now) throw expired(issuedBy, expiresAt)
    return { value: { ...token, expiresAt } }
  } catch (error) {
    if (error instanceof IdentityError) return { error, again: BAD_ANSWER }
    throw error
  }
}

/** An {@link IdentityError} about a reply: status, its error code and description, and the wait it asks for. */
export function problem(
  code: IdentityError['code'],
  message: string,
  about: {
    readonly place: Place
    readonly reply: HttpReply
    readonly hint: string
    readonly retryable?: boolean
    readonly now?: number
  },
): IdentityError {
  const { reply } = about
  const json = jsonObject(reply)
  return new IdentityError(code, message, {
    hint: about.hint,
    retryable: about.retryable ?? false,
    retryAfterMs: about.now === undefined ? undefined : retryAfterMs(reply, about.now),
    facts: {
      from: about.place.name,
      status: reply.status,
      error: textField(json, 'error'),
      description: textField(json, 'error_description')?.slice(0, 300),
      correlationId: textField(json, 'correlation_id') ?? textField(json, 'correlationId'),
    },
  })
}

/** `404`, or `200 with HTML` where the body is a page. */
export function describe(reply: HttpReply): string {
  const looksLikePage = /^\s*</.test(reply.body.subarray(0, 64).toString('latin1'))
  return looksLikePage ? `${reply.status} with HTML` : String(reply.status)
}

// A token is judged by its issuer's clock: ours may be minutes off and the token still good.
function issuerNow(reply: HttpReply, now: number): number {
  const date = Date.parse(reply.headers['date'] ?? '')
  return Number.isNaN(date) ? now : date
}

function unanswered(failure: SendFailure, place: Place): Outcome<never> {
  const details = {
    cause: failure,
    facts: { from: place.name, host: failure.host, reason: failure.kind },
  }
  if (failure.isTrust) {
    return {
      error: new IdentityError(
        'IDENTITY_REFUSED',
        `${place.name} is not trusted: ${failure.message}`,
        {
          ...details,
          hint: place.trustHint ?? 'name the CA that signs it in NODE_EXTRA_CA_CERTS',
        },
      ),
    }
  }
  const answered =
    failure.kind === 'cut' || failure.kind === 'too-large' || failure.kind === 'malformed'
  const error = new IdentityError(
    answered ? 'IDENTITY_MALFORMED' : 'IDENTITY_ABSENT',
    `${place.name} gives no answer: ${failure.message}`,
    { ...details, hint: place.silenceHint, retryable: true },
  )
  return { error, again: answered ? BAD_ANSWER : place.again }
}

function redirected(reply: HttpReply, place: Place): Outcome<never> {
  const error = problem(
    'IDENTITY_REFUSED',
    `${place.name} answers ${reply.status}, a redirect, which is never followed`,
    {
      place,
      reply,
      hint: `find out what answers in its place (a captive portal, a proxy): ${place.silenceHint}`,
    },
  )
  return { error }
}
