import type { Place } from '../store.ts'

/** One tagged node of a policy text: a record such as `!host`, or a statement such as `!grant`. */
export interface Entry {
  readonly type: EntryType
  readonly place: Place
  readonly fields: ReadonlyMap<string, Value>
  /** Set for a run: the names of many records that have nothing else, one a line from `place` on. */
  readonly run?: readonly string[]
}

/** What an attribute can hold. An alias yields the very object that its anchor names. */
export type Value = Scalar | Entry | readonly Value[] | ReadonlyMap<string, Note>
/** One annotation: its value, and its own line. */
export interface Note {
  readonly value: Scalar
  readonly place: Place
}
export type Scalar = string | number | bigint | boolean | null

/** A policy text that cannot be loaded, at the line and column where reading stopped. */
export class PolicyInvalid extends Error {
  /** As the real server counts them, which is not always where the mistake stands. */
  readonly line: number
  readonly column: number
  /** Where the mistake stands. */
  readonly place: Place

  constructor(message: string, at: { line: number; column: number; place: Place }) {
    super(message)
    this.name = 'PolicyInvalid'
    this.line = at.line
    this.column = at.column
    this.place = at.place
  }
}

/** A policy that reads well and yet cannot be resolved, such as a record declared twice. */
export class PolicyUnresolved extends Error {}

/** The tags a policy may use, without `!`, and the attributes each takes with what they hold. */
export const entryTypes = {
  policy: { ...resource(), body: 'entries' },
  user: { ...resource(), uidnumber: 'integer', public_key: 'text', restricted_to: 'range' },
  host: { ...resource(), restricted_to: 'range' },
  group: { ...resource(), gidnumber: 'integer' },
  layer: resource(),
  variable: { ...resource(), kind: 'text', mime_type: 'text' },
  webservice: resource(),
  'host-factory': { ...resource(), role: 'role', layer: 'role' },
  grant: { role: 'role', member: 'member' },
  revoke: { role: 'role', member: 'role' },
  permit: { role: 'role', privilege: 'text', resource: 'resource' },
  deny: { role: 'role', privilege: 'text', resource: 'resource' },
  delete: { record: 'resource' },
  member: { role: 'role', admin: 'boolean' },
} as const satisfies Record<string, Readonly<Record<string, Holds>>>

export type EntryType = keyof typeof entryTypes
export type Holds =
  | 'text'
  | 'integer'
  | 'boolean'
  | 'range'
  | 'annotations'
  | 'entries'
  | 'role'
  | 'resource'
  | 'member'

/** The types whose ids are roles too. */
export const roleTypes: ReadonlySet<EntryType> = new Set([
  'policy',
  'user',
  'host',
  'group',
  'layer',
  'host-factory',
])

/** Records: what `created_roles` and resources come from. All else is a statement about them. */
export const recordTypes: ReadonlySet<EntryType> = new Set([...roleTypes, 'variable', 'webservice'])

/** Attributes that also go by their plural. */
export const plurals: Readonly<Record<string, string>> = {
  public_keys: 'public_key',
  layers: 'layer',
  roles: 'role',
  members: 'member',
  privileges: 'privilege',
  resources: 'resource',
  records: 'record',
}

export function isEntryType(name: string): name is EntryType {
  return Object.hasOwn(entryTypes, name)
}

export function isEntry(value: Value | undefined): value is Entry {
  return typeof value === 'object' && value !== null && 'fields' in value
}

/** One or many, as a list; absent is none. */
export function listOf(value: Value | undefined): readonly Value[] {
  if (value === undefined || value === null) return []
  return isList(value) ? value : [value]
}

/** The annotations of a record, by name. */
export function notesOf(entry: Entry): ReadonlyMap<string, Note> {
  const notes = entry.fields.get('annotations')
  return isNotes(notes) ? notes : new Map()
}

function isNotes(value: Value | undefined): value is ReadonlyMap<string, Note> {
  return value instanceof Map
}

/** The entries in a value, lists in lists flattened. */
export function entriesIn(value: Value | undefined): Entry[] {
  return listOf(value).flatMap((each) => {
    if (isEntry(each)) return [each]
    return isList(each) ? entriesIn(each) : []
  })
}

export function isList(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value)
}

/** The name of a type as messages spell it: `HostFactory`. */
export function className(type: EntryType): string {
  return type
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
}

/** The kind in ids: `host_factory`. */
export function kindOfType(type: EntryType): string {
  return type.replace('-', '_')
}

function resource() {
  return { id: 'text', account: 'text', owner: 'role', annotations: 'annotations' } as const
}
