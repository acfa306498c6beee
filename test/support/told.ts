import { IdentityError } from '../../src/core/errors.ts'
import type { HttpReply, HttpRequest, Send } from '../../src/core/http.ts'
import type { IdentitySource } from '../../src/identity/source.ts'
import { hastyClock, type FakeClock } from './fake-clock.ts'
import { reply, scriptedSend } from './scripted-send.ts'

/** All that a reader is told by an identity that fails, and how long it was waited for. */
export interface Told {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly retryable: boolean
  readonly facts: Readonly<Record<string, unknown>>
  /** The first seven waits, in milliseconds. */
  readonly waits: readonly number[]
}

/** What surrounds a source whose platform always answers the same. */
export interface Around {
  readonly send: Send
  readonly clock: FakeClock
  readonly random: () => number
}

/** Asks a source whose platform has one answer, or one a question, until it gives up. */
export async function told(
  make: (around: Around) => IdentitySource,
  answer: HttpReply | ((request: HttpRequest) => HttpReply),
): Promise<Told> {
  const clock = hastyClock()
  const { send } = scriptedSend(typeof answer === 'function' ? answer : () => answer)
  const source = make({ send, clock, random: () => 0 })
  const error: unknown = await source.token(new AbortController().signal).then(
    () => new Error('there was a credential'),
    (error: unknown) => error,
  )
  if (!(error instanceof IdentityError)) throw error
  const { code, message, hint, retryable, facts } = error
  const known = Object.entries(facts).filter(([, value]) => value !== undefined)
  return {
    code,
    message,
    hint,
    retryable,
    facts: Object.fromEntries(known),
    waits: clock.waits.slice(0, 7),
  }
}

/** A reply whose body is JSON. */
export function says(status: number, body: unknown): HttpReply {
  return reply(status, JSON.stringify(body))
}

/** A JWT as far as anyone reads it here. */
export function unsignedJwt(claims: Readonly<Record<string, unknown>> = {}): string {
  return [JSON.stringify({ alg: 'RS256', kid: 'k' }), JSON.stringify(claims), 'signature']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.')
}
