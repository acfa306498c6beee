import { AgentError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { decodeBase64 } from './base64.ts'
import { renderGroup } from './group-template.ts'
import type { Snapshot } from './output.ts'
import type { SecretGroup } from './secret-group.ts'
import { keysOfAll, type MapEntry, type SecretMap } from './secret-map.ts'

/** A Kubernetes Secret as it stands. */
export interface StoredTarget {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly type: string
  readonly isImmutable: boolean
  readonly data: ReadonlyMap<string, Secret>
  readonly annotations: ReadonlyMap<string, string>
  /** The keys of `data` that we own: no other key is ours to change or remove. */
  readonly ownKeys: ReadonlySet<string>
}

/** What a Secret's own keys shall be. */
export interface SecretPlan {
  /** All of them: a key of ours that is not here goes. */
  readonly own: ReadonlyMap<string, Secret>
  /** How many values they hold. */
  readonly values: number
  /** True where something uncertain was left as it is. */
  readonly isKept: boolean
  /** True where a Secret that we never filled still lacks a value: nothing is to be written. */
  readonly isIncomplete: boolean
  readonly error?: AgentError
  readonly notes: readonly string[]
}

/**
 * Decides on the keys of one Secret (P4): a value that is not certain leaves its key as it is, one
 * that Conjur withdrew takes its key along, and a key that is not ours is never touched.
 */
export function planSecret(target: StoredTarget, map: SecretMap, snapshot: Snapshot): SecretPlan {
  const own = new Map<string, Secret>()
  const notes: string[] = []
  let isKept = false
  let isShort = false
  let error: AgentError | undefined

  const keep = (key: string): void => {
    const stored = target.ownKeys.has(key) ? target.data.get(key) : undefined
    if (stored === undefined) isShort = true
    else own.set(key, stored)
    isKept = true
  }
  for (const entry of allEntries()) {
    const value = snapshot.values.get(entry.variableId)
    if (value !== undefined) own.set(entry.key, decoded(entry, value))
    else if (snapshot.unknown.has(entry.variableId)) keep(entry.key)
    else isShort = true
  }
  for (const template of map.templates) renderTemplate(template)
  return {
    own,
    values: own.size,
    isKept,
    isIncomplete: isShort && target.ownKeys.size === 0,
    notes,
    ...(error === undefined ? {} : { error }),
  }

  function allEntries(): readonly MapEntry[] {
    if (map.all === undefined) return map.entries
    if (snapshot.listed === undefined) {
      // Which variables there are is not known in this pass: what they filled stays.
      const named = new Set([...map.entries, ...map.templates].map(({ key }) => key))
      for (const key of target.ownKeys) if (!named.has(key)) keep(key)
      isKept = true
      return map.entries
    }
    const { entries, clashes } = keysOfAll(snapshot.listed, map.all)
    for (const id of clashes) notes.push(`${id} has no key of its own: another one takes it`)
    const named = new Set(map.entries.map(({ key }) => key))
    return [...map.entries, ...entries.filter(({ key }) => !named.has(key))]
  }

  function decoded({ key, contentType }: MapEntry, value: Secret): Secret {
    const bytes = contentType === 'base64' ? decodeBase64(value) : value
    if (bytes === undefined) notes.push(`${key} is not base64: delivered as it is`)
    return bytes ?? value
  }

  function renderTemplate({ key, entries, template }: SecretMap['templates'][number]): void {
    if (entries.some(({ variableId }) => snapshot.unknown.has(variableId))) return keep(key)
    const present = entries.flatMap(({ alias, variableId, contentType }) => {
      const value = snapshot.values.get(variableId)
      if (value === undefined) return []
      return [{ alias, value: decoded({ key: alias, variableId, contentType }, value) }]
    })
    if (present.length === 0 && entries.length > 0) {
      isShort = true
      return undefined
    }
    const group: SecretGroup = {
      name: key,
      entries,
      path: key,
      format: 'template',
      mode: 0,
      template: { text: template },
    }
    try {
      own.set(key, new Secret(renderGroup(group, present, 'safe')))
    } catch (failure) {
      if (!(failure instanceof AgentError)) throw failure
      const isAbsent = present.length < entries.length
      if (isAbsent) isShort = true
      else {
        error = failure
        keep(key)
      }
    }
    return undefined
  }
}
