import { keyOf, type Permission, type Store } from '../store.ts'
import { removeRecords } from '../remove.ts'
import type { Draft } from './draft.ts'

/** Takes away what this policy put there and its new text no longer names. */
export function removeAbsent(store: Store, draft: Draft, policy: string): void {
  const records = new Set(draft.records.flatMap(({ ids }) => ids))
  const memberships = new Set(draft.memberships.map(({ role, member }) => `${role} ${member}`))
  const permissions = new Set(
    draft.permissions.flatMap(({ resources, permissions }) =>
      resources.flatMap((id) => permissions.map((each) => `${id} ${keyOf(each)}`)),
    ),
  )
  const gone = [...store.resources.values()].filter(
    ({ id, policy: loadedBy }) => loadedBy === policy && !records.has(id) && id !== policy,
  )
  removeRecords(
    store,
    gone.map(({ id }) => id),
  )
  for (const held of store.memberships.values())
    for (const each of held.values()) {
      const stale =
        each.policy === policy && !each.ownership && !memberships.has(`${each.role} ${each.member}`)
      if (stale) held.delete(each.role)
    }
  for (const { id, permissions: present } of store.resources.values()) {
    if (present.length > 0)
      deny(store, id, (each) => each.policy === policy && !permissions.has(`${id} ${keyOf(each)}`))
  }
  const names = new Map(
    draft.records.flatMap(({ ids, annotations }) =>
      ids.map((id) => [id, new Set(annotations.map(({ name }) => name))] as const),
    ),
  )
  for (const [id, kept] of names) {
    const resource = store.resources.get(id)
    if (resource === undefined) continue
    const annotations = resource.annotations.filter(
      (each) => each.policy !== policy || kept.has(each.name),
    )
    store.resources.set(id, { ...resource, annotations })
  }
  store.changed()
}

/** Takes permissions away from a resource. */
export function deny(store: Store, id: string, matches: (permission: Permission) => boolean): void {
  const resource = store.resources.get(id)
  if (resource === undefined || !resource.permissions.some(matches)) return
  store.resources.set(id, {
    ...resource,
    permissions: resource.permissions.filter((each) => !matches(each)),
  })
}

/** What outlives a replacement: everything that this policy did not load. */
export function keptIds(store: Store, policy: string): Set<string> {
  const kept = new Set<string>()
  for (const { id } of store.roles.values()) kept.add(id)
  for (const { id } of store.resources.values()) kept.add(id)
  for (const resource of store.resources.values())
    if (resource.policy === policy) kept.delete(resource.id)
  kept.add(policy)
  return kept
}
