import { randomApiKey } from './api-key.ts'
import { kindOf } from './ids.ts'

/** Where a fact was written: a policy text by name, and the line in it (from 1). */
export interface Place {
  readonly file: string
  readonly line: number
}

export interface Annotation {
  readonly name: string
  readonly value: string
  readonly policy: string
  readonly place: Place
}

export interface Permission {
  readonly privilege: string
  readonly role: string
  readonly policy: string
  readonly place: Place
}

export interface Resource {
  readonly id: string
  readonly owner: string
  /** The policy it was loaded into; absent for what exists before any policy. */
  readonly policy?: string
  /** As the API writes it: one text serves all that one load made. */
  readonly createdAt: string
  readonly annotations: readonly Annotation[]
  readonly permissions: readonly Permission[]
  readonly place?: Place
}

export interface Membership {
  readonly role: string
  readonly member: string
  readonly admin: boolean
  /** Held because the member owns the role, not because a policy grants it. */
  readonly ownership: boolean
  readonly policy?: string
  readonly place?: Place
}

export interface Role {
  readonly id: string
  readonly policy?: string
  readonly createdAt: string
}

export interface Credentials {
  readonly apiKey: string
  /** When it was last replaced, in milliseconds since 1970; absent where it never was. */
  readonly rotatedAt?: number
  readonly passwordHash?: string
  readonly restrictedTo: readonly string[]
}

export interface SecretVersion {
  readonly version: number
  readonly value: Buffer
}

export interface PolicyVersion {
  readonly version: number
  /** The text, deflated. */
  readonly packed: Buffer
  readonly createdAt: number
  readonly finishedAt: number
  readonly clientIp: string
  readonly role: string
}

/** Everything the server knows. Plain maps: whoever changes memberships or owners calls `changed()`. */
export interface Store {
  readonly roles: Map<string, Role>
  readonly resources: Map<string, Resource>
  /** By member, then by role. */
  readonly memberships: Map<string, Map<string, Membership>>
  readonly credentials: Map<string, Credentials>
  /** Oldest first; no entry for a variable that never had a value. */
  readonly secrets: Map<string, readonly SecretVersion[]>
  /** Webservice ids switched on by name: by request, or at start. */
  readonly enabled: Set<string>
  /** Webservice ids on by default, until the first is switched on by request. */
  readonly enabledByDefault: Set<string>
  readonly policyVersions: Map<string, readonly PolicyVersion[]>
  /** Every role a role holds, itself included, through grants and ownership. */
  heldBy(role: string): ReadonlySet<string>
  changed(): void
}

const kept = 20

/** An empty store: no account exists in it yet. */
export function createStore(): Store {
  const memberships = new Map<string, Map<string, Membership>>()
  let closures = new Map<string, ReadonlySet<string>>()
  return {
    roles: new Map(),
    resources: new Map(),
    memberships,
    credentials: new Map(),
    secrets: new Map(),
    enabled: new Set(),
    enabledByDefault: new Set(),
    policyVersions: new Map(),
    heldBy(role) {
      const known = closures.get(role)
      if (known !== undefined) return known
      const held = new Set([role])
      for (const next of held) {
        for (const granted of memberships.get(next)?.keys() ?? []) held.add(granted)
      }
      closures.set(role, held)
      return held
    },
    changed() {
      closures = new Map()
    },
  }
}

/** A store that can be changed without the first one noticing. */
export function copyStore(store: Store): Store {
  const copy = createStore()
  fill(copy.roles, store.roles)
  fill(copy.resources, store.resources)
  fill(copy.credentials, store.credentials)
  fill(copy.secrets, store.secrets)
  fill(copy.policyVersions, store.policyVersions)
  for (const [member, held] of store.memberships) copy.memberships.set(member, new Map(held))
  for (const id of store.enabled) copy.enabled.add(id)
  for (const id of store.enabledByDefault) copy.enabledByDefault.add(id)
  return copy
}

/** Adds a membership, or replaces the one that is there. */
export function addMembership(store: Store, membership: Membership): void {
  const held = store.memberships.get(membership.member) ?? new Map<string, Membership>()
  held.set(membership.role, membership)
  store.memberships.set(membership.member, held)
  store.changed()
}

/** What tells one permission on a resource from another. */
export function keyOf({ role, privilege }: Permission): string {
  return `${role} ${privilege}`
}

/** Takes a membership away; undefined if there was none. */
export function removeMembership(
  store: Store,
  role: string,
  member: string,
): Membership | undefined {
  const held = store.memberships.get(member)
  const gone = held?.get(role)
  held?.delete(role)
  store.changed()
  return gone
}

/** Direct members of a role, in the order of their ids. */
export function membersOf(store: Store, role: string): readonly Membership[] {
  const found: Membership[] = []
  for (const held of store.memberships.values()) {
    const membership = held.get(role)
    if (membership !== undefined) found.push(membership)
  }
  return found.sort((a, b) => byText(a.member, b.member))
}

/** Whether a role may do `privilege` on a resource: as its owner, or by a permission. */
export function isAllowed(
  store: Store,
  role: string,
  wish: { privilege: string; on: Resource },
): boolean {
  const held = store.heldBy(role)
  if (held.has(wish.on.owner)) return true
  return wish.on.permissions.some(
    ({ privilege, role }) => privilege === wish.privilege && held.has(role),
  )
}

/** Whether a role may know that a resource exists: as its owner, or by any permission on it. */
export function isVisible(store: Store, role: string, resource: Resource): boolean {
  const held = store.heldBy(role)
  return held.has(resource.owner) || resource.permissions.some(({ role }) => held.has(role))
}

/** The credentials of a user or host, made on first need. */
export function credentialsOf(store: Store, role: string): Credentials {
  const known = store.credentials.get(role)
  if (known !== undefined) return known
  const made: Credentials = { apiKey: randomApiKey(), restrictedTo: [] }
  store.credentials.set(role, made)
  return made
}

/** The newest value of a variable. */
export function valueOf(store: Store, variable: string): Buffer | undefined {
  return store.secrets.get(variable)?.at(-1)?.value
}

/** Writes a value. The one it has already makes no new version; only the last 20 are kept. */
export function setValue(store: Store, variable: string, value: Buffer): void {
  const versions = store.secrets.get(variable) ?? []
  const newest = versions.at(-1)
  if (newest?.value.equals(value) === true) return
  const added = [...versions, { version: (newest?.version ?? 0) + 1, value }]
  store.secrets.set(variable, added.slice(-kept))
}

/** Whether ids of this kind are roles as well as resources. */
export function isRoleKind(kind: string): boolean {
  return ['user', 'host', 'group', 'layer', 'policy', 'host_factory'].includes(kind)
}

/** Whether a role of this id has an API key. */
export function isActor(id: string): boolean {
  return ['user', 'host'].includes(kindOf(id))
}

/** The order of the database's ids: by code unit. */
export function byText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function fill<Key, Value>(map: Map<Key, Value>, from: ReadonlyMap<Key, Value>): void {
  for (const [key, value] of from) map.set(key, value)
}
