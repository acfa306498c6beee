import {
  className,
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
  const flat: Entry[] = []

  const visit = (entry: Entry, namespace: string | undefined): void => {
    if (ids.has(entry)) return
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
  refuseDuplicates(flat, idOf)
  for (const entry of flat) refuseAbsolute(entry, idOf)
  return {
    entries: flat.toSorted((a, b) => rank(a) - rank(b)),
    idOf,
    fullIdOf,
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

function refuseDuplicates(entries: readonly Entry[], idOf: (entry: Entry) => string): void {
  const seen = new Set<string>()
  for (const entry of entries) {
    if (!recordTypes.has(entry.type)) continue
    const key = `${className(entry.type)} ${idOf(entry)}`
    if (seen.has(key)) {
      throw new PolicyUnresolved(
        `${entry.type.replace('-', ' ')} '${idOf(entry)}' is declared more than once`,
      )
    }
    seen.add(key)
  }
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
