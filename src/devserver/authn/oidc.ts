import { authentication, missingField } from '../refusals.ts'
import type { World } from '../world.ts'
import { requireAccess, requireAccount, requireEnabled, requireOrigin } from './access.ts'
import { serviceName, type Attempt, type Authenticator } from './attempt.ts'
import { discover } from './discovery.ts'
import { decodeForm, parseForm } from './form.ts'
import { verifyByProvider } from './provider.ts'
import { optional, required, variableId } from './variables.ts'

/** authn-oidc: an ID token that names a user. Its issuer and audience are not checked. */
export const oidc: Authenticator = {
  async identify(world, attempt) {
    requireAccount(world, attempt.account)
    return userOf(world, attempt)
  },
  async admit(world, attempt, login) {
    requireEnabled(world, attempt)
    requireAccess(world, attempt, { login, privilege: 'authenticate' })
    requireOrigin(world, attempt, login)
    if (login.includes('@')) {
      world.explain(
        `200 ${serviceName(attempt)} ${login} let in: Conjur's documentation wants users of the root policy here, its server takes any`,
      )
    }
  },
}

/** Whether the variables are set and the provider answers: the status route. */
export async function oidcStatus(world: World, attempt: Attempt): Promise<void> {
  const uri = required(world, attempt, 'provider-uri')
  required(world, attempt, 'id-token-user-property')
  await discover(world, uri, optional(world, attempt, 'ca-cert'))
}

async function userOf(world: World, attempt: Attempt): Promise<string> {
  if (attempt.serviceId === undefined) {
    throw authentication(
      'AuthnOidc::ServiceIdMissing',
      'CONJ00075E Service id is required when authenticating with authn-oidc',
    )
  }
  const uri = required(world, attempt, 'provider-uri')
  const property = required(world, attempt, 'id-token-user-property')
  const claims = await verifyByProvider(world, idTokenOf(attempt), {
    uri,
    ca: optional(world, attempt, 'ca-cert'),
  })
  const user = claims[property]
  if (user === undefined || user === null || user === '') {
    throw authentication(
      'AuthnOidc::IdTokenClaimNotFoundOrEmpty',
      `CONJ00013E Claim '${property}' not found or empty in ID token. This claim is defined in the id-token-user-property variable.`,
      {
        because: `the token has no ${property}, which ${variableId(attempt, 'id-token-user-property')} names`,
      },
    )
  }
  if (user === 'admin') {
    throw authentication(
      'AdminAuthenticationDenied',
      'CONJ00017E Admin user is not allowed to authenticate with authn-oidc',
    )
  }
  return typeof user === 'string' ? user : JSON.stringify(user)
}

/** The token of the body, else that of `Authorization: Bearer`. */
function idTokenOf(attempt: Attempt): string {
  const sent = parseForm(attempt.body).get('id_token') ?? ''
  if (sent !== '') return sent
  const [scheme, token, ...rest] = (attempt.authorization ?? '').split(' ')
  if (scheme === 'Bearer' && token !== undefined && rest.length === 0) return decodeForm(token)
  throw missingField('id_token')
}
