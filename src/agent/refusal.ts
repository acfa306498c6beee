import { ConjurError } from '../core/errors.ts'
import { findingsOf } from '../identity/claims.ts'
import type { Credential } from '../identity/source.ts'

/**
 * A refused login, with what its token shows to be the likely cause: Conjur answers a bare 401, and
 * nothing about a token stops the login before. Any other error is itself.
 */
export function explainRefusal(error: unknown, credential: Credential, type: string): unknown {
  if (!(error instanceof ConjurError) || error.code !== 'CONJUR_UNAUTHENTICATED') return error
  // Where Conjur said itself why, nothing is guessed.
  if (credential.kind !== 'jwt' || error.facts['conjurCode'] !== undefined) return error
  const [first, ...others] = findingsOf(credential, type)
  if (first === undefined) return error
  return new ConjurError(error.code, `${error.message}; its token: ${first.what}`, {
    hint: first.cure,
    lines: others.map(({ what }) => what),
    retryable: error.retryable,
    retryAfterMs: error.retryAfterMs,
    facts: error.facts,
    cause: error.cause,
  })
}
