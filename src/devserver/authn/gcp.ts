import { listed } from '../refusal.ts'
import {
  authentication,
  claimMissing,
  constraintNotSupported,
  restrictionMismatch,
} from '../refusals.ts'
import type { World } from '../world.ts'
import { requireAccess, requireAccount, requireEnabled, requireOrigin } from './access.ts'
import type { Attempt, Authenticator } from './attempt.ts'
import { discover } from './discovery.ts'
import { jwtIn } from './form.ts'
import { verifyByProvider } from './provider.ts'
import { placeOf, restrictionsOf } from './restrictions.ts'
import { claimsOf, type TokenClaims } from './verify.ts'

const issuer = 'https://accounts.google.com'
const any = ['project-id', 'service-account-id', 'service-account-email']
const permitted = [...any, 'instance-name']

/** authn-gcp: a Google identity token whose audience names the host. */
export const gcp: Authenticator = {
  async identify(world, attempt) {
    requireAccount(world, attempt.account)
    const token = jwtIn(attempt.body)
    const claims = await verifyByProvider(world, token, {
      uri: issuer,
      issuer,
      checkIssuedAt: true,
    })
    return loginIn(claims, attempt.account)
  },
  async admit(world, attempt, login) {
    requireEnabled(world, attempt)
    requireAccess(world, attempt, { login, privilege: 'authenticate' })
    requireOrigin(world, attempt, login)
    checkRestrictions(world, attempt, { login, claims: claimsOf(jwtIn(attempt.body)) })
  },
}

export async function gcpStatus(world: World): Promise<void> {
  await discover(world, issuer, undefined)
}

function loginIn(claims: TokenClaims, account: string): string {
  const { aud, sub } = claims
  if (typeof aud !== 'string' || aud === '') throw claimMissing('aud')
  if (typeof sub !== 'string' || sub === '') throw claimMissing('sub')
  const [word, named, ...host] = aud.split('/')
  if (word !== 'conjur' || named === undefined || host.length === 0) {
    throw authentication(
      'AuthnGcp::InvalidAudience',
      `CONJ00067E 'audience' token claim ${aud} is invalid. The format should be 'conjur/<account-name>/<host-id>'`,
      { because: `aud: token "${aud}", wanted conjur/${account}/host/ID` },
    )
  }
  if (named !== account) {
    throw authentication(
      'AuthnGcp::InvalidAccountInAudienceClaim',
      `CONJ00070E 'audience' token claim '${aud}' is invalid. The account in the audience '${named}' does not match the account in the URL request '${account}'`,
      { because: `account: token "${named}", URL "${account}"` },
    )
  }
  return host.join('/')
}

function checkRestrictions(
  world: World,
  attempt: Attempt,
  sent: { login: string; claims: TokenClaims },
): void {
  const restrictions = restrictionsOf(world, attempt, sent.login)
  const names = restrictions.map(({ name }) => name)
  const place = placeOf(world, attempt, sent.login)
  if (!names.some((name) => any.includes(name))) {
    throw authentication(
      'Constraints::RoleMissingRequiredConstraints',
      `CONJ00069E Role must have at least one of the following constraints: ${listed(any)}`,
      {
        because: `the host has none of the annotations ${any.map((name) => `authn-gcp/${name}`).join(', ')}`,
        place,
      },
    )
  }
  const unknown = names.filter((name) => !permitted.includes(name))
  if (unknown.length > 0) {
    throw constraintNotSupported(unknown, permitted, {
      because: `annotation authn-gcp/${unknown[0]} is none of ${permitted.join(', ')}`,
      place,
    })
  }
  for (const restriction of restrictions) {
    const found = claimFor(restriction.name, sent.claims)
    if (found === undefined || found === '') {
      throw authentication(
        'AuthnGcp::JwtTokenClaimIsMissing',
        `CONJ00068E Claim '${restriction.name}' is missing from Google's JWT token. Verify that you configured the host with permitted restrictions. In case of Compute Engine token, verify that you requested the token using 'format=full'`,
        { because: `the token says nothing of ${restriction.name}`, place: restriction.place },
      )
    }
    if (found !== restriction.value) {
      throw restrictionMismatch(restriction.name, {
        because: `${restriction.name}: token ${JSON.stringify(found)}, policy "${restriction.value}"`,
        place: restriction.place,
      })
    }
  }
}

function claimFor(name: string, claims: TokenClaims): unknown {
  switch (name) {
    case 'service-account-id':
      return claims['sub']
    case 'service-account-email':
      return claims['email']
    case 'project-id':
      return engine(claims, 'project_id')
    default:
      return engine(claims, 'instance_name')
  }
}

function engine(claims: TokenClaims, name: string): unknown {
  const google = claims['google']
  const compute = isObject(google) ? google['compute_engine'] : undefined
  return isObject(compute) ? compute[name] : undefined
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
