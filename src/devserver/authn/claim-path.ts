import { authentication } from '../refusals.ts'
import type { TokenClaims } from './verify.ts'

const name = '[a-zA-Z|$_][a-zA-Z|$_\\-0-9.]*'
const path = new RegExp(`^${name}(/${name})*$`)

/** The pattern as messages show it. */
const shownPattern =
  '(?-mix:^[a-zA-Z|$|_][a-zA-Z|$|_|\\-|0-9|.]*(/[a-zA-Z|$|_][a-zA-Z|$|_|\\-|0-9|.]*)*$)'

/** Registered claims, which no annotation, alias or enforced claim may name. */
export const deniedClaims: readonly string[] = ['iss', 'exp', 'nbf', 'iat', 'jti', 'aud']

export function isClaimPath(text: string): boolean {
  return path.test(text)
}

/** A claim by its literal name, else by descending at each slash. Throws CONJ00116E for what is no claim path. */
export function claimAt(claims: TokenClaims, claim: string): unknown {
  if (Object.hasOwn(claims, claim) && claims[claim] !== null && claims[claim] !== false)
    return claims[claim]
  if (!isClaimPath(claim)) {
    throw authentication(
      'AuthnJwt::InvalidClaimPath',
      `CONJ00116E Failed to parse claim path: '${claim}'. The claim path is in an invalid format. The valid format should meet the following regex: '${shownPattern}'`,
      { because: `"${claim}" is no claim path` },
    )
  }
  let found: unknown = claims
  for (const part of claim.split('/')) {
    if (!isObject(found) || !Object.hasOwn(found, part)) return undefined
    found = found[part]
  }
  return found ?? undefined
}

/** Throws unless the name is a claim path that may be asked for. */
export function requireClaimName(claim: string): void {
  const fail = (kind: string, text: string): Error =>
    authentication(`AuthnJwt::${kind}`, text, { because: `claim "${claim}" cannot be asked for` })
  if (claim.trim() === '') {
    throw fail(
      'FailedToValidateClaimMissingClaimName',
      'CONJ00103E Failed to validate claim: claim name is empty or was not found.',
    )
  }
  if (!isClaimPath(claim)) {
    throw fail(
      'FailedToValidateClaimForbiddenClaimName',
      `CONJ00104E Failed to validate claim: claim name '${claim}' does not match regular expression: '${shownPattern}'.`,
    )
  }
  if (deniedClaims.includes(claim)) {
    throw fail(
      'FailedToValidateClaimClaimNameInDenyList',
      `CONJ00105E Failed to validate claim: claim name '${claim}' is in denylist '${JSON.stringify(deniedClaims).replaceAll(',', ', ')}'`,
    )
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
