import { identifierOf, kindOf, partsOf } from '../ids.ts'
import {
  byText,
  isRoleKind,
  type Annotation,
  type Membership,
  type Permission,
  type Place,
  type Store,
} from '../store.ts'
import { entriesIn, listOf, notesOf, type Entry } from './entry.ts'
import type { Resolved } from './resolve.ts'
import { textOfScalar } from './scalar.ts'

/** A record as a policy declares it; or a run of records that differ in their ids alone, one a line. */
export interface RecordDraft {
  readonly ids: readonly string[]
  readonly owner: string
  readonly isRole: boolean
  readonly annotations: readonly Annotation[]
  readonly place: Place
  /** Where logins may come from; undefined for what never logs in. */
  readonly restrictedTo?: readonly string[]
  readonly publicKeys: readonly string[]
}

/** What a policy wants to be there, and what it wants gone, in full ids. */
export interface Draft {
  readonly records: readonly RecordDraft[]
  readonly memberships: readonly Membership[]
  readonly permissions: readonly PermissionDraft[]
  readonly denied: readonly {
    readonly resource: string
    readonly privilege: string
    readonly role: string
  }[]
  readonly revoked: readonly { readonly role: string; readonly member: string }[]
  readonly deleted: readonly string[]
}

/** What one statement permits: the same on each of its resources. */
export interface PermissionDraft {
  readonly resources: readonly string[]
  readonly permissions: readonly Permission[]
}

/** A policy refers to a record that neither it nor the server knows. */
export class RecordUnknown extends Error {
  constructor(id: string) {
    super(notFound(id))
    this.name = 'RecordUnknown'
  }
}

/** A record that a policy may not declare like this. */
export class RecordInvalid extends Error {}

/** The words for a record that is not there: `Host 'apps/web' not found in account 'acme'`. */
export function notFound(id: string): string {
  const { account, kind, identifier } = partsOf(id)
  const capital = kind.charAt(0).toUpperCase() + kind.slice(1).toLowerCase()
  return `${capital} '${identifier}' not found in account '${account}'`
}

/** Turns resolved entries into a draft. Throws {@link RecordUnknown} for the first loose reference. */
export function draftOf(resolved: Resolved, policy: string, known: (id: string) => boolean): Draft {
  const records: RecordDraft[] = []
  const memberships: Membership[] = []
  const permissions: PermissionDraft[] = []
  const denied: { resource: string; privilege: string; role: string }[] = []
  const revoked: { role: string; member: string }[] = []
  const deleted: string[] = []
  const find = (entry: Entry): string => existing(resolved.fullIdOf(entry))
  const existing = (id: string): string => {
    if (!resolved.declared.has(id) && !known(id)) throw new RecordUnknown(id)
    return id
  }
  const findAll = (entry: Entry): readonly string[] => resolved.fullIdsOf(entry).map(existing)
  const grant = (entry: Entry, role: string, member: { id: string; admin: boolean }): void => {
    memberships.push({
      role,
      member: member.id,
      admin: member.admin,
      ownership: false,
      policy,
      place: entry.place,
    })
  }

  for (const entry of resolved.entries) {
    const each = (name: string): Entry[] => entriesIn(entry.fields.get(name))
    const privileges = listOf(entry.fields.get('privilege')).map(String)
    switch (entry.type) {
      case 'grant':
        for (const role of each('role'))
          for (const member of each('member')) {
            for (const who of entriesIn(member.fields.get('role')))
              grant(entry, find(role), {
                id: find(who),
                admin: member.fields.get('admin') === true,
              })
          }
        break
      case 'permit': {
        const { place } = entry
        const resources = each('resource').map((target) => findAll(target))
        const permitted = each('role').flatMap((role) =>
          privileges.map((privilege) => ({ privilege, role: find(role), policy, place })),
        )
        for (const ids of resources) permissions.push({ resources: ids, permissions: permitted })
        break
      }
      case 'deny':
        for (const resource of each('resource').flatMap((target) => resolved.fullIdsOf(target)))
          for (const role of each('role').map((role) => resolved.fullIdOf(role)))
            for (const privilege of privileges) denied.push({ resource, privilege, role })
        break
      case 'revoke':
        for (const role of each('role'))
          for (const member of each('member'))
            revoked.push({ role: resolved.fullIdOf(role), member: resolved.fullIdOf(member) })
        break
      case 'delete':
        for (const record of each('record'))
          for (const id of resolved.fullIdsOf(record)) deleted.push(id)
        break
      case 'member':
        break
      default: {
        const record = recordDraft(entry, resolved, policy)
        records.push({ ...record, owner: existing(record.owner) })
        for (const layer of each('layer'))
          grant(entry, find(layer), { id: resolved.fullIdOf(entry), admin: false })
      }
    }
  }
  return { records, memberships, permissions, denied, revoked, deleted }
}

/** Whether a role or resource of this id exists. */
export function isKnown(store: Store, id: string): boolean {
  return store.resources.has(id) || store.roles.has(id)
}

function recordDraft(entry: Entry, resolved: Resolved, policy: string): RecordDraft {
  const id = resolved.fullIdOf(entry)
  if (entry.type === 'host-factory' && entriesIn(entry.fields.get('layer')).length === 0) {
    throw new RecordInvalid(`Host factory '${identifierOf(id)}' does not include any layers`)
  }
  return {
    ids: resolved.fullIdsOf(entry),
    owner: resolved.ownerOf(entry),
    isRole: isRoleKind(kindOf(id)),
    annotations: annotationsOf(entry, policy, resolved),
    place: entry.place,
    publicKeys: listOf(entry.fields.get('public_key')).map(String),
    ...(entry.type === 'host' || entry.type === 'user'
      ? { restrictedTo: listOf(entry.fields.get('restricted_to')).map(String) }
      : {}),
  }
}

const implied = {
  kind: 'conjur/kind',
  mime_type: 'conjur/mime_type',
  uidnumber: 'conjur/uidnumber',
  gidnumber: 'conjur/gidnumber',
}

function annotationsOf(entry: Entry, policy: string, resolved: Resolved): Annotation[] {
  const found = new Map<string, { value: string; place: Place }>()
  for (const [name, note] of notesOf(entry)) {
    found.set(name, { value: textOfScalar(note.value), place: note.place })
  }
  for (const [field, name] of Object.entries(implied)) {
    const value = entry.fields.get(field)
    if (value === undefined || found.has(name) || typeof value === 'object') continue
    found.set(name, { value: textOfScalar(value), place: entry.place })
  }
  const base = resolved.idOf(entry)
  return [...found]
    .map(([name, { value, place }]) => ({ name, value: climbed(base, value), policy, place }))
    .sort((a, b) => byText(a.name, b.name))
}

/** An annotation whose value climbs by `..` means the path from the record it stands on. */
function climbed(base: string, value: string): string {
  if (!value.split('/').includes('..')) return value
  const settled: string[] = []
  for (const part of `${base}/${value}`.split('/')) {
    if (part === '..') settled.pop()
    else settled.push(part)
  }
  return settled.join('/')
}
