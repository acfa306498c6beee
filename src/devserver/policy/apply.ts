import { partsOf } from '../ids.ts'
import {
  addMembership,
  byText,
  credentialsOf,
  isActor,
  keyOf,
  removeMembership,
  setValue,
  type Annotation,
  type Permission,
  type Resource,
  type Store,
} from '../store.ts'
import { removeRecords } from '../remove.ts'
import type { Draft, RecordDraft } from './draft.ts'
import type { DatedLoad, PolicyLoad } from './policy-load.ts'
import { deny, removeAbsent } from './replace.ts'

/** Does what a draft wants; yields the ids of users and hosts that did not exist before. */
export function applyDraft(store: Store, draft: Draft, load: DatedLoad): string[] {
  if (load.mode === 'replace') removeAbsent(store, draft, load.policy)
  const fresh: string[] = []
  for (const record of declaredBy(draft)) {
    if (putRecord(store, record, load) && isActor(record.id)) fresh.push(record.id)
  }
  for (const membership of draft.memberships) {
    const present = store.memberships.get(membership.member)?.get(membership.role)
    if (present === undefined || (load.mode !== 'create' && present.policy === load.policy))
      addMembership(store, membership)
  }
  putPermissions(store, draft, load)
  for (const { resource, privilege, role } of draft.denied) {
    deny(
      store,
      resource,
      (each) => each.privilege === privilege && each.role === role && each.policy === load.policy,
    )
  }
  for (const { role, member } of draft.revoked) {
    if (store.memberships.get(member)?.get(role)?.policy === load.policy)
      removeMembership(store, role, member)
  }
  removeRecords(store, draft.deleted)
  return fresh
}

/** Puts a record in place; true where it did not exist before. What another policy declared stays as it is. */
function putRecord(store: Store, record: Declared, load: DatedLoad): boolean {
  const present = store.resources.get(record.id)
  const isFresh = present === undefined
  if (isFresh) {
    store.resources.set(record.id, newResource(record, load))
    if (!record.isRole) return true
    store.roles.set(record.id, { id: record.id, policy: load.policy, createdAt: load.createdAt })
  } else {
    const mayChange = load.mode !== 'create' && present.policy === load.policy
    const annotations = mayChange
      ? merged(record.annotations, present.annotations)
      : merged(present.annotations, record.annotations)
    const owner = mayChange ? record.owner : present.owner
    store.resources.set(record.id, { ...present, owner, annotations })
    if (owner !== present.owner) removeMembership(store, record.id, present.owner)
    if (!mayChange || !record.isRole) return false
  }
  addMembership(store, {
    role: record.id,
    member: record.owner,
    admin: true,
    ownership: true,
    policy: load.policy,
    place: record.place,
  })
  if (record.restrictedTo !== undefined) {
    restrict(store, record.id, { ranges: record.restrictedTo, load })
  }
  putPublicKeys(store, record, load)
  return isFresh
}

/** One record of a draft, which may hold many. */
interface Declared extends Omit<RecordDraft, 'ids'> {
  readonly id: string
}

/** Records of a run share the place where it begins: a line for each would outweigh the rest of them. */
function* declaredBy(draft: Draft): Generator<Declared> {
  for (const { ids, ...record } of draft.records) for (const id of ids) yield { ...record, id }
}

function newResource(record: Declared, load: DatedLoad): Resource {
  return {
    id: record.id,
    owner: record.owner,
    policy: load.policy,
    createdAt: load.createdAt,
    annotations: record.annotations.length === 0 ? none : record.annotations,
    permissions: none,
    place: record.place,
  }
}

function restrict(
  store: Store,
  id: string,
  wish: { ranges: readonly string[]; load: PolicyLoad },
): void {
  const credentials = credentialsOf(store, id)
  const restrictedTo =
    wish.load.mode === 'create'
      ? [...new Set([...credentials.restrictedTo, ...wish.ranges])]
      : wish.ranges
  store.credentials.set(id, { ...credentials, restrictedTo })
}

function putPublicKeys(store: Store, record: Declared, load: DatedLoad): void {
  const { account, kind, identifier } = partsOf(record.id)
  for (const key of record.publicKeys) {
    const name = key.trim().split(/\s+/).slice(2).join(' ')
    const id = `${account}:public_key:${kind}/${identifier}/${name}`
    if (!store.resources.has(id))
      store.resources.set(id, { ...newResource(record, load), id, annotations: none })
    setValue(store, id, Buffer.from(key))
  }
}

function putPermissions(store: Store, draft: Draft, load: PolicyLoad): void {
  for (const { resources, permissions } of draft.permissions) {
    // Resources that had the same permissions have the same again: one list serves them all.
    const lists = new Map<readonly Permission[], readonly Permission[]>()
    for (const id of resources) {
      const resource = store.resources.get(id)
      if (resource === undefined) continue
      const present = resource.permissions
      const list = lists.get(present) ?? extended(present, permissions, load)
      lists.set(present, list)
      store.resources.set(id, { ...resource, permissions: list })
    }
  }
}

function extended(
  present: readonly Permission[],
  wished: readonly Permission[],
  load: PolicyLoad,
): readonly Permission[] {
  const held = new Map(present.map((each) => [keyOf(each), each]))
  for (const permission of wished) {
    const known = held.get(keyOf(permission))
    const mayReplace = load.mode !== 'create' && known?.policy === load.policy
    if (known === undefined || mayReplace) held.set(keyOf(permission), permission)
  }
  return [...held].sort(([a], [b]) => byText(a, b)).map(([, each]) => each)
}

function merged(first: readonly Annotation[], then: readonly Annotation[]): readonly Annotation[] {
  const names = new Set(first.map(({ name }) => name))
  const all = [...first, ...then.filter(({ name }) => !names.has(name))]
  return all.length === 0 ? none : all.sort((a, b) => (a.name < b.name ? -1 : 1))
}

const none: readonly never[] = []
