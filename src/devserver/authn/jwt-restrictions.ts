import { listed, Refusal } from '../refusal.ts'
import { authentication, missingConstraints, restrictionMismatch } from '../refusals.ts'
import type { World } from '../world.ts'
import type { Attempt } from './attempt.ts'
import { claimAt, deniedClaims, isClaimPath, requireClaimName } from './claim-path.ts'
import { placeOf, serviceRestrictionsOf, type Restriction } from './restrictions.ts'
import { declared } from './variables.ts'
import type { TokenClaims } from './verify.ts'

/**
 * Compares a host's annotations with a token's claims. Throws for the first thing amiss: no
 * annotation at all, an enforced claim without one, one that may not be used, one that differs.
 */
export function checkJwtRestrictions(
  world: World,
  attempt: Attempt,
  sent: { readonly login: string; readonly claims: TokenClaims },
): void {
  const enforced = enforcedClaimsOf(world, attempt)
  const aliases = claimAliasesOf(world, attempt)
  const restrictions = serviceRestrictionsOf(world, attempt, sent.login)
  const place = placeOf(world, attempt, sent.login)
  const prefix = `authn-jwt/${attempt.serviceId}`
  for (const { name, place } of restrictions) {
    if (!isClaimPath(name)) {
      throw authentication(
        'AuthnJwt::InvalidRestrictionName',
        `CONJ00119E Restriction '${name}' is invalid and not representing claim path in the token`,
        { because: `annotation ${prefix}/${name} names no claim path`, place },
      )
    }
  }
  const names = restrictions.map(({ name }) => name)
  if (names.length === 0) {
    throw authentication(
      'Constraints::RoleMissingAnyRestrictions',
      'CONJ00099E Role must have at least one relevant annotation',
      {
        because: `the host has no annotation ${prefix}/CLAIM`,
        place,
      },
    )
  }
  const aliasOf = new Map([...aliases].map(([alias, claim]) => [claim, alias]))
  const missing = enforced
    .map((claim) => aliasOf.get(claim) ?? claim)
    .filter((name) => !names.includes(name))
  if (missing.length > 0) {
    throw missingConstraints(missing, {
      because: `enforced-claims asks for annotation ${missing.map((name) => `${prefix}/${name}`).join(', ')}`,
      place,
    })
  }
  refuseDenied(restrictions, [...deniedClaims, ...aliasOf.keys()])
  for (const restriction of restrictions) {
    compare(restriction, {
      claims: sent.claims,
      claim: aliases.get(restriction.name) ?? restriction.name,
    })
  }
}

/** The claims every host must be annotated with. Throws CONJ00106E to CONJ00108E and those of claim names. */
export function enforcedClaimsOf(world: World, attempt: Attempt): readonly string[] {
  const text = declared(world, attempt, 'enforced-claims')
  if (text === undefined) return []
  const fail = (kind: string, words: string): Error =>
    authentication(`AuthnJwt::${kind}`, words, {
      because: `variable enforced-claims "${text}" cannot be read`,
    })
  if (text.trim() === '') {
    throw fail(
      'FailedToParseEnforcedClaimsMissingInput',
      'CONJ00106E Failed to parse enforced claims: enforced claim value is empty or was not found.',
    )
  }
  const claims = text.split(',').map((claim) => claim.trim())
  if (text.startsWith(',') || text.endsWith(',') || claims.includes('')) {
    throw fail(
      'InvalidEnforcedClaimsFormat',
      `CONJ00107E List of enforced claims '${text}' is in invalid format. Separate claim names with commas.`,
    )
  }
  if (new Set(claims).size < claims.length) {
    throw fail(
      'InvalidEnforcedClaimsFormatContainsDuplication',
      `CONJ00108E List of enforced claims '${text}' must not contain duplications.`,
    )
  }
  for (const claim of claims) requireClaimName(claim)
  return claims
}

/** Alias → claim. Throws CONJ00109E to CONJ00114E. */
export function claimAliasesOf(world: World, attempt: Attempt): ReadonlyMap<string, string> {
  const text = declared(world, attempt, 'claim-aliases')
  const aliases = new Map<string, string>()
  if (text === undefined) return aliases
  const fail = (kind: string, words: string): Error =>
    authentication(`AuthnJwt::${kind}`, words, {
      because: `variable claim-aliases "${text}" cannot be read`,
    })
  if (text.trim() === '') {
    throw fail(
      'ClaimAliasesMissingInput',
      'CONJ00109E Failed to parse claim aliases: the claim aliases value is empty or was not found.',
    )
  }
  const blank = (): Error =>
    fail(
      'ClaimAliasesBlankOrEmpty',
      `CONJ00110E Failed to parse claim aliases: one or more mapping statements are blank or empty '${text}'.`,
    )
  if (text.endsWith(',')) throw blank()
  for (const tuple of text.split(',').map((each) => each.trim())) {
    if (tuple === '') throw blank()
    const parts = tuple.split(':').map((part) => part.trim())
    const [alias = '', claim = ''] = parts
    const malformed = parts.length !== 2 || alias === '' || claim === ''
    if (malformed) {
      throw fail(
        'ClaimAliasInvalidFormat',
        `CONJ00111E Failed to parse claim aliases: the claim alias value '${tuple}' is in invalid format.The correct format is: 'annotation_name:claim_name'`,
      )
    }
    if (alias.includes('/')) {
      throw fail(
        'ClaimAliasNameInvalidCharacter',
        `CONJ00114E Failed to parse claim aliases: the claim alias name '${alias}' contains '/'.`,
      )
    }
    requireAliasClaim(tuple, alias)
    requireAliasClaim(tuple, claim)
    if (aliases.has(alias))
      throw fail(
        'ClaimAliasDuplicationError',
        `CONJ00113E Failed to parse claim aliases: annotation name value '${alias}' appears more than once`,
      )
    if ([...aliases.values()].includes(claim))
      throw fail(
        'ClaimAliasDuplicationError',
        `CONJ00113E Failed to parse claim aliases: claim name value '${claim}' appears more than once`,
      )
    aliases.set(alias, claim)
  }
  return aliases
}

function requireAliasClaim(tuple: string, claim: string): void {
  try {
    requireClaimName(claim)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw authentication(
      'AuthnJwt::ClaimAliasInvalidClaimFormat',
      `CONJ00112E Failed to parse claim aliases: one of the claims in the claim alias value '${tuple}' is in an invalid format : ${error.inspected}.`,
      error.reason,
    )
  }
}

function refuseDenied(restrictions: readonly Restriction[], denied: readonly string[]): void {
  const found = restrictions.filter(({ name }) => denied.includes(name))
  if (found.length === 0) return
  const names = found.map(({ name }) => name)
  const inner = new Refusal(
    'Authentication::Constraints::NonPermittedRestrictionGiven',
    `CONJ00069E Role can't have one of these none permitted restrictions '${listed(names)}'`,
  )
  throw authentication(
    'AuthnJwt::RoleWithRegisteredOrClaimAliasError',
    `CONJ00069E Role can't have registered or aliased claim. Error: '${inner.inspected}'`,
    {
      because: `annotation ${names.join(', ')}: registered claims cannot be used, aliased ones go by their alias`,
      place: found[0]?.place,
    },
  )
}

function compare(restriction: Restriction, against: { claims: TokenClaims; claim: string }): void {
  const { name, value, place } = restriction
  if (value.trim() === '') {
    throw authentication(
      'ResourceRestrictions::EmptyAnnotationGiven',
      `CONJ00100E Annotation, '${name}', is empty`,
      {
        because: `annotation ${name} has no value`,
        place,
      },
    )
  }
  const found = claimAt(against.claims, against.claim)
  if (found === undefined) {
    const shown = name === against.claim ? name : `${against.claim} (annotation: ${name})`
    throw authentication(
      'AuthnJwt::JwtTokenClaimIsMissing',
      `CONJ00084E Claim '${shown}' is missing from JWT token. Verify that you configured the host with permitted restrictions.`,
      { because: `${shown}: the token has no such claim, policy "${value}"`, place },
    )
  }
  if (found === value) return
  throw restrictionMismatch(name, {
    because: `${name}: token ${JSON.stringify(found)}, policy "${value}"`,
    place,
  })
}
