import { deflateRawSync } from 'node:zlib'
import { partsOf } from '../ids.ts'
import { largeText, releaseMemory } from '../memory.ts'
import { timestamp } from '../timestamp.ts'
import {
  addMembership,
  byText,
  credentialsOf,
  isActor,
  removeMembership,
  removeRecord,
  setValue,
  type Annotation,
  type Permission,
  type Resource,
  type Store,
} from '../store.ts'
import { draftOf, isKnown, type Draft, type RecordDraft } from './draft.ts'
import { entriesIn, isEntry, isList, notesOf, type Entry, type Value } from './entry.ts'
import { parsePolicy } from './parse.ts'
import { resolvePolicy } from './resolve.ts'

/** `create` adds only; `modify` may also change and delete; `replace` removes what it does not name. */
export type LoadMode = 'create' | 'modify' | 'replace'

/** A policy text on its way into a branch. */
export interface PolicyLoad {
  readonly text: string
  /** What to call the text in errors and explanations. */
  readonly file: string
  /** The full id of the policy it is loaded into. */
  readonly policy: string
  readonly mode: LoadMode
  readonly now: number
  /** The full id of who loads it. */
  readonly role: string
  readonly clientIp: string
}

export interface Loaded {
  /** Users and hosts that did not exist before, with their API keys. */
  readonly created: readonly { readonly id: string; readonly apiKey: string }[]
  readonly version: number
  readonly warnings: readonly string[]
}

interface DatedLoad extends PolicyLoad {
  readonly createdAt: string
}

/** A policy text that deletes, sent where only adding is allowed. */
export class DeletionNotAllowed extends Error {}

const versionsKept = 20

/**
 * Loads a policy text, whole or not at all. Throws what reading, resolving and drafting throw, and
 * {@link DeletionNotAllowed}.
 */
export function loadPolicy(store: Store, load: PolicyLoad): Loaded {
  const values = parsePolicy(load.text, load.file)
  const entries = allEntries(values)
  if (load.mode === 'create' && entries.some(({ type }) => isDeletion(type)))
    throw new DeletionNotAllowed()
  const { account, identifier } = partsOf(load.policy)
  const isRoot = identifier === 'root'
  const owner = store.resources.get(load.policy)?.owner ?? load.policy
  const resolved = resolvePolicy(values, {
    account,
    namespace: isRoot ? undefined : identifier,
    owner: isRoot ? owner : load.policy,
  })
  const kept = load.mode === 'replace' ? keptIds(store, load.policy) : undefined
  const draft = draftOf(resolved, load.policy, (id) =>
    kept === undefined ? isKnown(store, id) : kept.has(id),
  )
  const fresh = apply(store, draft, { ...load, createdAt: timestamp(load.now) })
  const version = saveVersion(store, load)
  if (load.text.length > largeText) setImmediate(releaseMemory)
  return {
    created: fresh.map((id) => ({ id, apiKey: credentialsOf(store, id).apiKey })),
    version,
    warnings: warningsOf(entries),
  }
}

function apply(store: Store, draft: Draft, load: DatedLoad): string[] {
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
  for (const id of draft.deleted) removeRecord(store, id)
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

/** Takes away what this policy put there and its new text no longer names. */
function removeAbsent(store: Store, draft: Draft, policy: string): void {
  const records = new Set(draft.records.flatMap(({ ids }) => ids))
  const memberships = new Set(draft.memberships.map(({ role, member }) => `${role} ${member}`))
  const permissions = new Set(
    draft.permissions.flatMap(({ resources, permissions }) =>
      resources.flatMap((id) => permissions.map((each) => `${id} ${keyOf(each)}`)),
    ),
  )
  for (const resource of store.resources.values()) {
    if (resource.policy === policy && !records.has(resource.id) && resource.id !== policy)
      removeRecord(store, resource.id)
  }
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

function deny(store: Store, id: string, matches: (permission: Permission) => boolean): void {
  const resource = store.resources.get(id)
  if (resource === undefined || !resource.permissions.some(matches)) return
  store.resources.set(id, {
    ...resource,
    permissions: resource.permissions.filter((each) => !matches(each)),
  })
}

/** What outlives a replacement: everything that this policy did not load. */
function keptIds(store: Store, policy: string): Set<string> {
  const kept = new Set<string>()
  for (const { id } of store.roles.values()) kept.add(id)
  for (const { id } of store.resources.values()) kept.add(id)
  for (const resource of store.resources.values())
    if (resource.policy === policy) kept.delete(resource.id)
  kept.add(policy)
  return kept
}

function merged(first: readonly Annotation[], then: readonly Annotation[]): readonly Annotation[] {
  const names = new Set(first.map(({ name }) => name))
  const all = [...first, ...then.filter(({ name }) => !names.has(name))]
  return all.length === 0 ? none : all.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function saveVersion(store: Store, load: PolicyLoad): number {
  const versions = store.policyVersions.get(load.policy) ?? []
  const version = (versions.at(-1)?.version ?? 0) + 1
  const { text, now, clientIp, role } = load
  const packed = deflateRawSync(text)
  const added = [...versions, { version, packed, createdAt: now, finishedAt: now, clientIp, role }]
  store.policyVersions.set(load.policy, added.slice(-versionsKept))
  return version
}

function warningsOf(entries: readonly Entry[]): string[] {
  const names = new Set<string>()
  for (const entry of entries) for (const name of notesOf(entry).keys()) names.add(name)
  return [...names]
    .filter((name) => attributeNames.has(name))
    .map(
      (name) =>
        `Annotation '${name}' matches a known policy attribute. This annotation will not be treated as a standard attribute and may not have the intended effect.`,
    )
}

function allEntries(values: readonly Value[]): Entry[] {
  return values.flatMap((value) => {
    if (isList(value)) return allEntries(value)
    if (!isEntry(value)) return []
    return [
      value,
      ...(value.type === 'policy' ? allEntries(entriesIn(value.fields.get('body'))) : []),
    ]
  })
}

function isDeletion(type: Entry['type']): boolean {
  return type === 'delete' || type === 'deny' || type === 'revoke'
}

function keyOf({ role, privilege }: Permission): string {
  return `${role} ${privilege}`
}

const none: readonly never[] = []

const attributeNames = new Set(
  (
    'id owner body user annotations restricted_to permit deny role privileges resource grant revoke member ' +
    'host-factory layers layer variable kind mime_type delete record group host webservice'
  ).split(' '),
)

/** The account's root policy, made on first need. */
function ensureRoot(store: Store, account: string, now: number): string {
  const id = `${account}:policy:root`
  const admin = `${account}:user:admin`
  if (store.resources.has(id)) return id
  const createdAt = timestamp(now)
  store.roles.set(id, { id, createdAt })
  store.resources.set(id, {
    id,
    owner: admin,
    createdAt,
    annotations: none,
    permissions: none,
  })
  addMembership(store, { role: id, member: admin, admin: true, ownership: true })
  return id
}

/** The account with its admin, who owns itself. */
export function createAccount(
  store: Store,
  account: string,
  admin: { apiKey: string; now: number },
): void {
  const id = `${account}:user:admin`
  const createdAt = timestamp(admin.now)
  store.roles.set(id, { id, createdAt })
  store.resources.set(id, {
    id,
    owner: id,
    createdAt,
    annotations: none,
    permissions: none,
  })
  store.credentials.set(id, { apiKey: admin.apiKey, restrictedTo: [] })
  ensureRoot(store, account, admin.now)
}
