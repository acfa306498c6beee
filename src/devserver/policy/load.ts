import { deflateRawSync } from 'node:zlib'
import { partsOf } from '../ids.ts'
import { largeText, releaseMemory } from '../memory.ts'
import { credentialsOf, type Store } from '../store.ts'
import { timestamp } from '../timestamp.ts'
import { applyDraft } from './apply.ts'
import { draftOf, isKnown } from './draft.ts'
import { entriesIn, isEntry, isList, notesOf, type Entry, type Value } from './entry.ts'
import { parsePolicy } from './parse.ts'
import type { PolicyLoad } from './policy-load.ts'
import { keptIds } from './replace.ts'
import { resolvePolicy } from './resolve.ts'

/** What a load brought. */
export interface Loaded {
  /** Users and hosts that did not exist before, with their API keys. */
  readonly created: readonly { readonly id: string; readonly apiKey: string }[]
  readonly version: number
  readonly warnings: readonly string[]
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
  const fresh = applyDraft(store, draft, { ...load, createdAt: timestamp(load.now) })
  const version = saveVersion(store, load)
  if (load.text.length > largeText) setImmediate(releaseMemory)
  return {
    created: fresh.map((id) => ({ id, apiKey: credentialsOf(store, id).apiKey })),
    version,
    warnings: warningsOf(entries),
  }
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

const attributeNames = new Set(
  (
    'id owner body user annotations restricted_to permit deny role privileges resource grant revoke member ' +
    'host-factory layers layer variable kind mime_type delete record group host webservice'
  ).split(' '),
)
