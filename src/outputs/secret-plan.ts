import { AgentError, OutputError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { decodeBase64 } from './base64.ts'
import { renderGroup } from './group-template.ts'
import { keysOfAll, type MapAll } from './map-all.ts'
import type { Snapshot } from './output.ts'
import type { SecretGroup } from './secret-group.ts'
import type { MapEntry } from './secret-key.ts'
import type { MapTemplate, SecretMap } from './secret-map.ts'

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
  /** True where something uncertain was left as it is. */
  readonly isKept: boolean
  /** Variables without which a Secret that we never filled is not to be written. */
  readonly lacking: readonly string[]
  readonly error?: AgentError
  readonly notes: readonly string[]
}

/**
 * Decides on the keys of one Secret (P4): a value that is not certain leaves its key as it is, one
 * that Conjur withdrew takes its key along, and a key that is not ours is never touched.
 */
export function planSecret(target: StoredTarget, map: SecretMap, snapshot: Snapshot): SecretPlan {
  const { values, unknown, listed } = snapshot
  const own = new Map<string, Secret>()
  const notes: string[] = []
  const lacking: string[] = []
  let isKept = false
  let error: AgentError | undefined

  for (const entry of map.entries) {
    const { key, variableId } = entry
    const value = values.get(variableId)
    if (value !== undefined) own.set(key, decoded(entry, value))
    else if (!unknown.has(variableId) || !keep(key)) lacking.push(variableId)
  }
  if (map.all !== undefined) fillAll(map.all)
  for (const template of map.templates) fillTemplate(template)
  return {
    own,
    isKept,
    lacking: target.ownKeys.size === 0 ? lacking : [],
    notes,
    ...(error === undefined ? {} : { error }),
  }

  /** Leaves a key as it is; false where it is not ours to leave. */
  function keep(key: string): boolean {
    const stored = target.ownKeys.has(key) ? target.data.get(key) : undefined
    if (stored === undefined) return false
    own.set(key, stored)
    isKept = true
    return true
  }

  /**
   * What the host may see but not read is no failure here: it is left out. Of more keys than are
   * allowed none is cut off at random: those that stand are kept fresh, and none comes.
   */
  function fillAll(all: MapAll): void {
    const named = new Set([...map.entries, ...map.templates].map(({ key }) => key))
    if (listed === undefined) {
      // Which variables there are is not known in this pass: what they filled stays.
      isKept = true
      for (const key of target.ownKeys) if (!named.has(key)) keep(key)
      return
    }
    const given = keysOfAll(
      listed.filter((id) => values.has(id) || unknown.has(id)),
      all,
    )
    notes.push(...given.notes)
    const entries = given.entries.filter(
      ({ key, variableId }) =>
        !named.has(key) && (values.has(variableId) || target.ownKeys.has(key)),
    )
    const isTooMany = entries.length > all.max
    if (isTooMany) {
      error = tooMany(target, { keys: entries.length, max: all.max })
      isKept = true
    }
    for (const entry of entries) {
      if (isTooMany && !target.ownKeys.has(entry.key)) continue
      const value = values.get(entry.variableId)
      if (value === undefined) keep(entry.key)
      else own.set(entry.key, decoded(entry, value))
    }
  }

  function decoded({ key, contentType }: MapEntry, value: Secret): Secret {
    const bytes = contentType === 'base64' ? decodeBase64(value) : value
    if (bytes === undefined) notes.push(`${key} is not base64: delivered as it is`)
    return bytes ?? value
  }

  function fillTemplate({ key, entries, template }: MapTemplate): void {
    const uncertain = entries.filter(({ variableId }) => unknown.has(variableId))
    if (uncertain.length > 0) {
      if (!keep(key)) lacking.push(...uncertain.map(({ variableId }) => variableId))
      return
    }
    const absent = entries.filter(({ variableId }) => !values.has(variableId))
    const present = entries.flatMap(({ alias, variableId, contentType }) => {
      const value = values.get(variableId)
      if (value === undefined) return []
      return [{ alias, value: decoded({ key: alias, variableId, contentType }, value) }]
    })
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
      if (absent.length > 0) {
        lacking.push(...absent.map(({ variableId }) => variableId))
      } else {
        error = failure
        keep(key)
      }
    }
  }
}

function tooMany(
  { name }: StoredTarget,
  { keys, max }: { readonly keys: number; readonly max: number },
): OutputError {
  return new OutputError(
    'OUTPUT_FULL',
    `Secret ${name}: "*" gives ${keys} keys, at most ${max} are allowed`,
    {
      hint: `filter "*" in its conjur-map with include and exclude, or allow more: max: ${keys}`,
      facts: { secret: name, keys, max },
    },
  )
}
