import { identifierOf, kindOf } from '../ids.ts'
import {
  byText,
  copyStore,
  isRoleKind,
  isVisible,
  membersOf,
  type Resource,
  type Store,
} from '../store.ts'
import { loadPolicy } from './load.ts'
import type { PolicyLoad } from './policy-load.ts'

/** What a policy would change, as the real server reports it; ids the caller may not see are masked. */
export interface Rehearsal {
  readonly status: 'Valid YAML'
  readonly created: Items
  readonly updated: { readonly before: Items; readonly after: Items }
  readonly deleted: Items
}

interface Items {
  readonly items: readonly Readonly<Record<string, unknown>>[]
}

/** Loads a policy into a copy of the store and tells what differs. Throws what loading throws. */
export function rehearsePolicy(store: Store, load: PolicyLoad): Rehearsal {
  const after = copyStore(store)
  loadPolicy(after, load)
  const shownBefore = describer(store, load.role)
  const shownAfter = describer(after, load.role)
  const created: string[] = []
  const changed: string[] = []
  for (const id of after.resources.keys()) {
    if (!store.resources.has(id)) created.push(id)
    else if (isChanged(store, after, id)) changed.push(id)
  }
  const deleted = [...store.resources.keys()].filter((id) => !after.resources.has(id))
  return {
    status: 'Valid YAML',
    created: items(created, shownAfter),
    updated: { before: items(changed, shownBefore), after: items(changed, shownAfter) },
    deleted: items(deleted, shownBefore),
  }
}

type Describe = (id: string) => Readonly<Record<string, unknown>>

function items(ids: readonly string[], describe: Describe): Items {
  const roles = ids.filter(isRole).toSorted(byText)
  const others = ids.filter((id) => !isRole(id)).toSorted(byText)
  return { items: [...roles, ...others].map(describe) }
}

/** Compares as a caller who may see everything: what is masked could hide a change. */
function isChanged(before: Store, after: Store, id: string): boolean {
  const all = (store: Store): string => JSON.stringify(describer(store, undefined)(id))
  const touched =
    before.resources.get(id) !== after.resources.get(id) ||
    before.credentials.get(id) !== after.credentials.get(id) ||
    isRole(id)
  return touched && all(before) !== all(after)
}

function describer(store: Store, caller: string | undefined): Describe {
  const shown = (id: string): string => {
    const resource = store.resources.get(id)
    if (caller === undefined || resource === undefined || isVisible(store, caller, resource))
      return id
    return id.replace(identifierOf(id), '[REDACTED]')
  }
  return (id) => {
    const resource = store.resources.get(id)
    if (resource === undefined) return { identifier: id }
    return {
      identifier: id,
      id: identifierOf(id),
      type: kindOf(id),
      owner: shown(resource.owner),
      policy: resource.policy === undefined ? undefined : shown(resource.policy),
      ...(isRole(id)
        ? { permissions: held(store, id, shown) }
        : { permitted: permitted(resource, shown) }),
      annotations: Object.fromEntries(resource.annotations.map(({ name, value }) => [name, value])),
      ...(isRole(id) ? roleFacts(store, id, shown) : {}),
    }
  }
}

function roleFacts(
  store: Store,
  id: string,
  shown: (id: string) => string,
): Record<string, unknown> {
  const memberships = [...(store.memberships.get(id)?.keys() ?? [])].toSorted(byText)
  return {
    members: membersOf(store, id).map(({ member }) => shown(member)),
    memberships: memberships.map(shown),
    restricted_to: store.credentials.get(id)?.restrictedTo ?? [],
  }
}

/** Privilege → resources, of a role. */
function held(store: Store, role: string, shown: (id: string) => string): Record<string, string[]> {
  const found: [string, string][] = []
  for (const resource of store.resources.values()) {
    for (const each of resource.permissions)
      if (each.role === role) found.push([each.privilege, resource.id])
  }
  return grouped(found, shown)
}

/** Privilege → roles, of a resource. */
function permitted(resource: Resource, shown: (id: string) => string): Record<string, string[]> {
  return grouped(
    resource.permissions.map(({ privilege, role }): [string, string] => [privilege, role]),
    shown,
  )
}

function grouped(
  pairs: readonly [string, string][],
  shown: (id: string) => string,
): Record<string, string[]> {
  const groups: Record<string, string[]> = {}
  for (const [privilege, id] of pairs.toSorted((a, b) => byText(a.join(' '), b.join(' ')))) {
    groups[privilege] = [...(groups[privilege] ?? []), shown(id)]
  }
  return groups
}

function isRole(id: string): boolean {
  return isRoleKind(kindOf(id))
}
