import { contains } from '../cidr.ts'
import { roleIdOf } from '../ids.ts'
import {
  authentication,
  accountNotDefined,
  lacksPrivilege,
  notEnabled,
  roleNotFound,
  webserviceNotFound,
} from '../refusals.ts'
import { isAllowed, type Place } from '../store.ts'
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
  const holder = webservice.permissions.find(({ privilege }) => privilege === wish.privilege)
  const reason = grantAdvice(wish.privilege, holder, webservice.place)
  throw lacksPrivilege(wish.login, { privilege: wish.privilege, on: id }, reason)
}

/** What to add to a policy so that a privilege reaches somebody. */
export function grantAdvice(
  privilege: string,
  holder: { readonly role: string; readonly place: Place } | undefined,
  declared: Place | undefined,
): { because: string; place: Place | undefined } {
  if (holder === undefined) {
    return { because: `lacks ${privilege}; no role has it: add a !permit`, place: declared }
  }
  const [, kind = '', ...rest] = holder.role.split(':')
  const name = rest.join(':')
  const target =
    kind === 'group' || kind === 'layer' ? `add to ${name}` : `only ${kind} ${name} has it`
  return { because: `lacks ${privilege}; ${target}`, place: holder.place }
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
