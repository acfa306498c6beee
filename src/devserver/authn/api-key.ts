import { isPassword, isSame } from '../api-key.ts'
import { roleIdOf } from '../ids.ts'
import { authentication, roleNotFound } from '../refusals.ts'
import type { World } from '../world.ts'
import { requireOrigin } from './access.ts'
import type { Attempt, Authenticator } from './attempt.ts'

/** authn: the body is the API key, every byte of it. */
export const apiKey: Authenticator = {
  async identify(_world, attempt) {
    return (attempt.login ?? '').replace(/^user\//, '')
  },
  async admit(world, attempt, login) {
    const credentials = credentialsFor(world, attempt, login)
    if (!isSame(attempt.body, credentials.apiKey)) {
      throw invalidCredentials(
        attempt.body.toString('latin1').trimEnd() === credentials.apiKey
          ? 'the API key is followed by white space, such as a newline'
          : 'the body is not the API key of that login',
      )
    }
    requireOrigin(world, attempt, login)
  },
}

/** Login by password or API key; yields the API key. */
export function logIn(world: World, attempt: Attempt): string {
  const login = attempt.login ?? ''
  const role = roleIdOf(attempt.account, login)
  const credentials = world.store.credentials.get(role)
  const known =
    credentials !== undefined &&
    (isSame(attempt.body, credentials.apiKey) || isPassword(attempt.body, credentials.passwordHash))
  if (!known) throw invalidCredentials('neither the API key nor the password of that login')
  requireOrigin(world, attempt, login)
  return credentials.apiKey
}

function credentialsFor(
  world: World,
  attempt: Attempt,
  login: string,
): { readonly apiKey: string } {
  const role = roleIdOf(attempt.account, login)
  if (!world.store.roles.has(role)) throw roleNotFound(login)
  const credentials = world.store.credentials.get(role)
  if (credentials === undefined) {
    throw authentication('RoleHasNoCredentials', `CONJ00120E Role '${login}' has no credentials`)
  }
  return credentials
}

function invalidCredentials(because: string): Error {
  return authentication('InvalidCredentials', 'CONJ00002E Invalid credentials', { because })
}
