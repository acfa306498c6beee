import { contains } from '../cidr.ts'
import { partsOf, roleIdOf } from '../ids.ts'
import type { Reason } from '../refusal.ts'
import {
  authentication,
  accountNotDefined,
  lacksPrivilege,
  notEnabled,
  roleNotFound,
  webserviceNotFound,
} from '../refusals.ts'
import { isAllowed, membersOf, type Resource, type Store } from '../store.ts'
import type { World } from '../world.ts'
import { serviceName, webserviceId, type Attempt } from './attempt.ts'

/** Throws CONJ00008E where the account of the URL is not this server's. */
export function requireAccount(world: World, account: string): void {
  if (!world.store.roles.has(`${account}:user:admin`)) throw accountNotDefined(account)
}

/** Throws CONJ00004E where the authenticator is not switched on. */
export function requireEnabled(world: World, attempt: Attempt): void {
  requireAccount(world, attempt.account)
  const { enabled, enabledByDefault } = world.store
  // Switches are not scoped by account: the name alone counts.
  const name = serviceName(attempt)
  const isOn = (id: string): boolean => id.endsWith(`:webservice:conjur/${name}`)
  if (![...enabled, ...enabledByDefault].some(isOn)) throw notEnabled(name)
}

/** Role, webservice, privilege: what stands between a login and an authenticator. */
export function requireAccess(
  world: World,
  attempt: Attempt,
  wish: { readonly login: string; readonly privilege: string; readonly on?: string },
): void {
  requireAccount(world, attempt.account)
  const role = roleIdOf(attempt.account, wish.login)
  if (!world.store.roles.has(role)) throw roleNotFound(wish.login)
  const id = wish.on ?? webserviceId(attempt)
  const webservice = world.store.resources.get(id)
  if (webservice === undefined)
    throw webserviceNotFound(id.slice(id.indexOf('conjur/') + 'conjur/'.length))
  if (isAllowed(world.store, role, { privilege: wish.privilege, on: webservice })) return
  const reason = grantAdvice(world.store, wish.privilege, webservice)
  throw lacksPrivilege(wish.login, { privilege: wish.privilege, on: id }, reason)
}

/**
 * What to change so that a privilege reaches somebody: the group that has it, with the line that
 * grants it to others, else the line that gives it the privilege.
 */
export function grantAdvice(store: Store, privilege: string, on: Resource): Reason {
  const holder = on.permissions.find((each) => each.privilege === privilege)
  if (holder === undefined) {
    return { because: `lacks ${privilege}; no role has it: add a !permit`, place: on.place }
  }
  const { kind, identifier } = partsOf(holder.role)
  if (kind !== 'group' && kind !== 'layer') {
    return { because: `lacks ${privilege}; only ${kind} ${identifier} has it`, place: holder.place }
  }
  const granted = membersOf(store, holder.role).find(({ ownership }) => !ownership)
  return {
    because: `lacks ${privilege}; add to ${identifier}`,
    place: granted?.place ?? holder.place,
  }
}

/** Throws CONJ00003E where the role may not log in from this address. */
export function requireOrigin(world: World, attempt: Attempt, login: string): void {
  const role = roleIdOf(attempt.account, login)
  const ranges = world.store.credentials.get(role)?.restrictedTo ?? []
  if (ranges.length === 0 || ranges.some((range) => contains(range, attempt.clientIp))) return
  throw authentication(
    'InvalidOrigin',
    'CONJ00003E User is not authorized to login from the current origin',
    {
      because: `client ${attempt.clientIp}, restricted_to ${ranges.join(', ')}`,
      place: world.store.resources.get(role)?.place,
    },
  )
}
