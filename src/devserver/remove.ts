import type { Store } from './store.ts'

/** Removes roles and resources with all that hangs on them: permissions, memberships, values, what they own. */
export function removeRecords(store: Store, ids: readonly string[]): void {
  if (ids.length === 0) return
  const gone = new Set(ids)
  const dependents = dependentsOf(store)
  for (const each of gone) for (const dependent of dependents.get(each) ?? []) gone.add(dependent)
  for (const each of gone) {
    store.roles.delete(each)
    store.resources.delete(each)
    store.secrets.delete(each)
    store.credentials.delete(each)
    store.enabled.delete(each)
    store.enabledByDefault.delete(each)
    store.policyVersions.delete(each)
    store.memberships.delete(each)
  }
  for (const held of store.memberships.values())
    for (const role of held.keys()) if (gone.has(role)) held.delete(role)
  for (const resource of store.resources.values()) {
    const permissions = resource.permissions.filter(({ role }) => !gone.has(role))
    if (permissions.length < resource.permissions.length)
      store.resources.set(resource.id, { ...resource, permissions })
  }
  store.changed()
}

/** Owner or policy → the resources that go with it. */
function dependentsOf(store: Store): Map<string, string[]> {
  const dependents = new Map<string, string[]>()
  for (const { id, owner, policy } of store.resources.values()) {
    for (const holder of new Set([owner, policy])) {
      if (holder === undefined || holder === id) continue
      const ids = dependents.get(holder) ?? []
      ids.push(id)
      dependents.set(holder, ids)
    }
  }
  return dependents
}
