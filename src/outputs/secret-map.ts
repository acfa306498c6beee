import { isRecord } from '../core/json.ts'
import { readAll, type MapAll } from './map-all.ts'
import type { Entry } from './secret-group.ts'
import { isKey, type MapEntry } from './secret-key.ts'

/** A key that holds a rendered template. */
export interface MapTemplate {
  readonly key: string
  readonly entries: readonly Entry[]
  readonly template: string
}

/** What one Secret asks for. */
export interface SecretMap {
  readonly entries: readonly MapEntry[]
  readonly all?: MapAll
  readonly templates: readonly MapTemplate[]
}

/**
 * Makes sense of the parsed text of `conjur-map`: `key: variable`, `key: {id, content-type}`, and
 * `"*"` for all. What is wrong with it comes back as sentences, each naming the key.
 */
export function readSecretMap(parsed: unknown): Omit<SecretMap, 'templates'> & {
  readonly problems: readonly string[]
} {
  if (!isRecord(parsed)) return { entries: [], problems: ['conjur-map is no YAML map'] }
  const entries: MapEntry[] = []
  const problems: string[] = []
  let all: MapAll | undefined
  for (const [key, value] of Object.entries(parsed)) {
    const fields = isRecord(value) ? value : { id: value }
    const { id } = fields
    const contentType = fields['content-type'] === 'base64' ? 'base64' : 'text'
    if (typeof id !== 'string' || id === '') problems.push(`key ${key} names no variable`)
    else if (key === '*' && id === '*') {
      const read = readAll(fields, contentType)
      problems.push(...read.problems)
      if (read.problems.length === 0) all = read.all
    } else if (!isKey(key)) problems.push(`key ${key} is no key of a Secret`)
    else entries.push({ key, variableId: id, contentType })
  }
  return { entries, problems, ...(all === undefined ? {} : { all }) }
}
