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
import { entriesIn, listOf, notesOf, recordTypes, type Entry } from './entry.ts'
import type { Resolved } from './resolve.ts'
import { textOfScalar } from './scalar.ts'

/** A record as a policy declares it. */
export interface RecordDraft {
  readonly id: string
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
  readonly permissions: readonly { readonly resource: string; readonly permission: Permission }[]
  readonly denied: readonly {
    readonly resource: string
    readonly privilege: string
    readonly role: string
  }[]
  readonly revoked: readonly { readonly role: string; readonly member: string }[]
  readonly deleted: readonly string[]
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
  const permissions: { resource: string; permission: Permission }[] = []
  const denied: { resource: string; privilege: string; role: string }[] = []
  const revoked: { role: string; member: string }[] = []
  const deleted: string[] = []
  const declared = new Set<string>()
  for (const entry of resolved.entries)
    if (recordTypes.has(entry.type)) declared.add(resolved.fullIdOf(entry))
  const find = (entry: Entry): string => existing(resolved.fullIdOf(entry))
  const existing = (id: string): string => {
    if (!declared.has(id) && !known(id)) throw new RecordUnknown(id)
    return id
  }
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
      case 'permit':
        for (const target of each('resource'))
          for (const privilege of privileges)
            for (const role of each('role'))
              permissions.push({
                resource: find(target),
                permission: { privilege, role: find(role), policy, place: entry.place },
              })
        break
      case 'deny':
        for (const target of each('resource'))
          for (const privilege of privileges)
            for (const role of each('role'))
              denied.push({
                resource: resolved.fullIdOf(target),
                privilege,
                role: resolved.fullIdOf(role),
              })
        break
      case 'revoke':
        for (const role of each('role'))
          for (const member of each('member'))
            revoked.push({ role: resolved.fullIdOf(role), member: resolved.fullIdOf(member) })
        break
      case 'delete':
        deleted.push(...each('record').map((record) => resolved.fullIdOf(record)))
        break
      case 'member':
        break
      default: {
        const record = recordDraft(entry, resolved, policy)
        records.push({ ...record, owner: existing(record.owner) })
        for (const layer of each('layer'))
          grant(entry, find(layer), { id: record.id, admin: false })
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
    id,
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
