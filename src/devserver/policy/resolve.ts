import { identifierOf } from '../ids.ts'
import {
  entriesIn,
  isEntry,
  kindOfType,
  PolicyUnresolved,
  recordTypes,
  type Entry,
  type Value,
} from './entry.ts'

/** The entries of a policy with every id made absolute and every record given its owner. */
export interface Resolved {
  /** Records first, then statements, each in the order of the text. */
  readonly entries: readonly Entry[]
  /** The absolute identifier of an entry, without account and kind. */
  idOf(entry: Entry): string
  /** The full id of a record or of one that is referred to. */
  fullIdOf(entry: Entry): string
  /** The same for what may be a run of records. */
  fullIdsOf(entry: Entry): readonly string[]
  /** The full ids of all records that the policy declares. */
  readonly declared: ReadonlySet<string>
  /** The full role id of a record's owner. */
  ownerOf(entry: Entry): string
}

/** Where a policy is loaded: the account, the branch (undefined for root) and who owns what stands at its top. */
export interface Branch {
  readonly account: string
  readonly namespace: string | undefined
  readonly owner: string
}

/**
 * Gives every id its place: relative ones get the id of the policy around them, `..` goes up,
 * a leading `/` is allowed where a role is referred to. Throws {@link PolicyUnresolved}.
 *
 * An alias is the very entry of its anchor: it keeps the place where the text first used it.
 */
export function resolvePolicy(values: readonly Value[], branch: Branch): Resolved {
  const ids = new Map<Entry, string>()
  const owners = new Map<Entry, string>()
  const runs = new Map<Entry, readonly string[]>()
  const flat: Entry[] = []

  const visit = (entry: Entry, namespace: string | undefined): void => {
    if (ids.has(entry)) return
    if (entry.run !== undefined)
      runs.set(entry, fullIdsOfRun(entry, entry.run, { namespace, branch }))
    ids.set(entry, 'id' in entryFields(entry) ? prefixed(entry, namespace) : '')
    for (const [name, value] of entry.fields) {
      if (name === 'body') continue
      for (const each of entriesIn(value)) visit(each, namespace)
    }
  }

  const walk = (
    value: Value | readonly Value[],
    scope: { namespace: string | undefined; owner: string },
  ): void => {
    for (const entry of entriesIn(value)) {
      if (ids.has(entry)) continue
      visit(entry, scope.namespace)
      flat.push(entry)
      owners.set(entry, scope.owner)
      if (entry.type !== 'policy') continue
      const id = ids.get(entry) ?? ''
      walk(entry.fields.get('body') ?? [], {
        namespace: id,
        owner: `${branch.account}:policy:${id}`,
      })
    }
  }

  walk(values, { namespace: branch.namespace, owner: branch.owner })
  for (const entry of flat) settle(entry, ids)
  for (const [entry, id] of ids) if (entry.type === 'user') ids.set(entry, userId(id))
  const account = (entry: Entry): string => {
    const named = entry.fields.get('account')
    return typeof named === 'string' ? named : branch.account
  }
  const idOf = (entry: Entry): string => ids.get(entry) ?? ''
  const fullIdOf = (entry: Entry): string =>
    `${account(entry)}:${kindOfType(entry.type)}:${idOf(entry)}`
  const fullIdsOf = (entry: Entry): readonly string[] => runs.get(entry) ?? [fullIdOf(entry)]
  const declared = declaredIn(flat, { idOf, fullIdsOf })
  for (const entry of flat) refuseAbsolute(entry, idOf)
  return {
    entries: flat.toSorted((a, b) => rank(a) - rank(b)),
    idOf,
    fullIdOf,
    fullIdsOf,
    declared,
    ownerOf(entry) {
      const owner = entry.fields.get('owner')
      return isEntry(owner) ? fullIdOf(owner) : (owners.get(entry) ?? branch.owner)
    },
  }
}

function entryFields(entry: Entry): { id?: true } {
  return recordTypes.has(entry.type) ? { id: true } : {}
}

function prefixed(entry: Entry, namespace: string | undefined): string {
  if (entry.run !== undefined) return ''
  const id = entry.fields.get('id')
  if (typeof id !== 'string' || id.trim() === '') {
    if (namespace === undefined) {
      throw new PolicyUnresolved(`${kindOfType(entry.type)} has a blank id`)
    }
    return namespace
  }
  if (id.startsWith('/') || namespace === undefined) return id
  return `${namespace}/${id}`
}

/** Owners, members and the roles of permissions may go up by `..` or start at the root by `/`. */
function settle(entry: Entry, ids: Map<Entry, string>): void {
  const roles = entriesIn(entry.fields.get('owner'))
  if (entry.type === 'grant') {
    for (const member of entriesIn(entry.fields.get('member')))
      roles.push(...entriesIn(member.fields.get('role')))
  }
  if (entry.type === 'revoke') roles.push(...entriesIn(entry.fields.get('member')))
  if (entry.type === 'permit' || entry.type === 'deny')
    roles.push(...entriesIn(entry.fields.get('role')))
  for (const role of new Set(roles)) ids.set(role, absolute(ids.get(role) ?? ''))
}

function absolute(id: string): string {
  const settled: string[] = []
  for (const part of (id.startsWith('/') ? id.slice(1) : id).split('/')) {
    if (part !== '..') settled.push(part)
    else if (settled.pop() === undefined)
      throw new PolicyUnresolved(`Invalid relative reference: ${id}`)
  }
  if (settled.join('/') === '') throw new PolicyUnresolved(`Invalid relative reference: ${id}`)
  return settled.join('/')
}

/** A user in policy `a/b` is called `name@a-b`. */
function userId(id: string): string {
  const parts = id.split('/')
  if (parts.includes('..')) throw new PolicyUnresolved(`Invalid relative reference: ${id}`)
  const name = parts.pop() ?? ''
  return parts.length === 0 ? name : `${name}@${parts.join('-')}`
}

function fullIdsOfRun(
  entry: Entry,
  names: readonly string[],
  at: { readonly namespace: string | undefined; readonly branch: Branch },
): readonly string[] {
  const prefix = [`${at.branch.account}:${kindOfType(entry.type)}:`]
  if (at.namespace !== undefined) prefix.push(`${at.namespace}/`)
  // Joined, not added up: a sum of texts keeps its parts alive, which tells with a hundred thousand.
  return names.map((name) => [...prefix, name].join(''))
}

/** Collects what a policy declares. Throws for what it declares twice. */
function declaredIn(
  entries: readonly Entry[],
  { idOf, fullIdsOf }: Pick<Resolved, 'idOf' | 'fullIdsOf'>,
): ReadonlySet<string> {
  const seen = new Set<string>()
  for (const entry of entries) {
    if (!recordTypes.has(entry.type)) continue
    for (const id of fullIdsOf(entry)) {
      if (seen.has(id)) {
        const name = entry.run === undefined ? idOf(entry) : identifierOf(id)
        throw new PolicyUnresolved(
          `${entry.type.replace('-', ' ')} '${name}' is declared more than once`,
        )
      }
      seen.add(id)
    }
  }
  return seen
}

function refuseAbsolute(entry: Entry, idOf: (entry: Entry) => string): void {
  const subjects: Entry[] = recordTypes.has(entry.type) ? [entry] : []
  if (entry.type === 'grant' || entry.type === 'revoke')
    subjects.push(...entriesIn(entry.fields.get('role')))
  if (entry.type === 'permit' || entry.type === 'deny')
    subjects.push(...entriesIn(entry.fields.get('resource')))
  if (entry.type === 'delete') subjects.push(...entriesIn(entry.fields.get('record')))
  for (const subject of subjects) {
    if (idOf(subject).startsWith('/'))
      throw new PolicyUnresolved(`Illegal absolute id: ${idOf(subject)}`)
  }
}

function rank(entry: Entry): number {
  return recordTypes.has(entry.type) ? 0 : 1
}
