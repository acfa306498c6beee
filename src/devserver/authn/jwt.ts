import { Refusal } from '../refusal.ts'
import { authentication } from '../refusals.ts'
import type { World } from '../world.ts'
import { requireAccess, requireEnabled, requireOrigin } from './access.ts'
import { auditAttempt, type Attempt, type Authenticator } from './attempt.ts'
import { claimAt, isClaimPath } from './claim-path.ts'
import { jwtIn } from './form.ts'
import { checkJwtRestrictions, claimAliasesOf, enforcedClaimsOf } from './jwt-restrictions.ts'
import { audienceOf, issuerOf, keySourceOf } from './jwt-settings.ts'
import { declared, isDeclared, required, variableId } from './variables.ts'
import { verifyToken, type TokenClaims } from './verify.ts'

/** authn-jwt: a token of any issuer; the login stands in the URL or, where policy says so, in a claim. */
export const jwt: Authenticator = {
  async identify(world, attempt) {
    requireEnabled(world, attempt)
    const token = jwtIn(attempt.body)
    let login: string | undefined
    try {
      const claims = await verifiedClaims(world, attempt, token)
      login = loginOf(world, attempt, claims)
      requireAccess(world, attempt, { login, privilege: 'authenticate' })
      requireOrigin(world, attempt, login)
      checkJwtRestrictions(world, attempt, { login, claims })
      return login
    } catch (error) {
      // The real server writes this failure down twice: here, where the login is known from the
      // token alone, and again around it with the login of the URL.
      if (error instanceof Refusal) auditAttempt(world, attempt, { login, error: error.message })
      throw error
    }
  },
  async admit() {
    // A token that names its host has been judged with it.
  },
}

/** Whether keys, issuer, audience, claim lists and identity are set as they must be: the status route. */
export async function jwtStatus(world: World, attempt: Attempt): Promise<void> {
  await keySourceOf(world, attempt).keys(false)
  issuerOf(world, attempt)
  audienceOf(world, attempt)
  enforcedClaimsOf(world, attempt)
  claimAliasesOf(world, attempt)
  const property = declared(world, attempt, 'token-app-property')
  if (property === undefined) return
  if (!isClaimPath(property)) throw invalidProperty(property)
  declared(world, attempt, 'identity-path')
}

async function verifiedClaims(world: World, attempt: Attempt, token: string): Promise<TokenClaims> {
  const source = keySourceOf(world, attempt)
  const now = world.now() / 1000
  let keys = await source.keys(false)
  let claims: TokenClaims
  try {
    claims = await verifyToken(token, keys, { now })
  } catch {
    keys = await source.keys(true)
    claims = await verifyToken(token, keys, { now })
  }
  if (Object.keys(claims).length === 0) {
    throw authentication('AuthnJwt::MissingToken', 'CONJ00085E Token is empty or not found.', {
      because: 'the token says nothing',
    })
  }
  const audience = audienceOf(world, attempt)
  const issuer = world.settings.ignoreMissingIssuer ? undefined : issuerOf(world, attempt)
  for (const [name, isMandatory] of [
    ['exp', true],
    ['aud', audience !== undefined],
    ['iss', issuer !== undefined],
  ] as const) {
    if (isMandatory && isBlank(claims[name])) throw missingClaim(name)
  }
  for (const name of ['nbf', 'iat']) if (claims[name] === '') throw missingClaim(name)
  return verifyToken(token, keys, { now, audience, issuer, checkIssuedAt: true })
}

function loginOf(world: World, attempt: Attempt, claims: TokenClaims): string {
  const inToken = isDeclared(world, attempt, 'token-app-property')
  const inUrl = attempt.login !== undefined && attempt.login !== ''
  if (inToken === inUrl) {
    throw authentication(
      'AuthnJwt::IdentityMisconfigured',
      'CONJ00098E JWT identity configuration is invalid',
      {
        because: inToken
          ? `the URL names a login, and so does ${variableId(attempt, 'token-app-property')}: one of the two must go`
          : `neither the URL names a login nor does policy declare ${variableId(attempt, 'token-app-property')}`,
        place: world.store.resources.get(variableId(attempt, 'token-app-property'))?.place,
      },
    )
  }
  if (!inToken) return attempt.login ?? ''
  const property = required(world, attempt, 'token-app-property')
  const name = nameIn(claims, property)
  const path = declared(world, attempt, 'identity-path') ?? ''
  return ['host', path, name]
    .filter((part) => part !== '')
    .join('/')
    .replace(/\/{2,}/g, '/')
}

function nameIn(claims: TokenClaims, property: string): string {
  const found =
    Object.hasOwn(claims, property) || isClaimPath(property) ? claimAt(claims, property) : null
  if (found === null) throw invalidProperty(property)
  if (found === undefined || found === '' || (Array.isArray(found) && found.length === 0)) {
    throw authentication(
      'AuthnJwt::NoSuchFieldInToken',
      `CONJ00081E '${property}' field not found in the token`,
      {
        because: `the token has no ${property}, which token-app-property names`,
      },
    )
  }
  if (typeof found !== 'string') {
    throw authentication(
      'AuthnJwt::TokenAppPropertyValueIsNotString',
      `CONJ00118E '${property}' value in token has type '${rubyClass(found)}'. An identity must be a String.`,
      { because: `${property}: token ${JSON.stringify(found)}, which is no text` },
    )
  }
  return found
}

function invalidProperty(property: string): Error {
  const inner = new Refusal(
    'Authentication::AuthnJwt::InvalidClaimPath',
    `CONJ00116E Failed to parse claim path: '${property}'`,
  )
  return authentication(
    'AuthnJwt::InvalidTokenAppPropertyValue',
    `CONJ00117E Failed to parse 'token-app-property' value. Error: '${inner.inspected}'`,
    { because: `token-app-property "${property}" is no claim path` },
  )
}

function missingClaim(name: string): Error {
  return authentication(
    'AuthnJwt::MissingMandatoryClaim',
    `CONJ00091E Failed to validate token: mandatory claim '${name}' is missing.`,
    { because: `the token has no ${name}` },
  )
}

function isBlank(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true
  if (typeof value === 'string') return value.trim() === ''
  return Array.isArray(value) && value.length === 0
}

function rubyClass(value: unknown): string {
  if (Array.isArray(value)) return 'Array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'Integer' : 'Float'
  if (typeof value === 'boolean') return value ? 'TrueClass' : 'FalseClass'
  return 'Hash'
}
