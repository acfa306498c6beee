import type { Entry } from './secret-group.ts'

/** One key of a Kubernetes Secret and the variable that fills it. */
export interface MapEntry {
  readonly key: string
  readonly variableId: string
  readonly contentType: 'text' | 'base64'
}

/** Every variable that the host can see, as far as the filters let them through. */
export interface MapAll {
  readonly contentType: 'text' | 'base64'
  /** Globs over the variable's path: `*` within a part, `**` across parts. Empty: all. */
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  /** Taken off the front of a path before it becomes a key. */
  readonly strip: string
}

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

/** The key of a Secret that holds its map; never written. */
export const MAP_KEY = 'conjur-map'

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
    else if (key === '*' && id === '*') all = readAll(fields, contentType)
    else if (!isKey(key)) problems.push(`key ${key} is no key of a Secret`)
    else entries.push({ key, variableId: id, contentType })
  }
  return { entries, problems, ...(all === undefined ? {} : { all }) }
}

/** Whether a name can be a key of a Secret that we fill. */
function isKey(name: string): boolean {
  return (
    /^[-._a-zA-Z\d]{1,253}$/.test(name) &&
    !name.startsWith('..') &&
    name !== '.' &&
    name !== MAP_KEY
  )
}

/**
 * The keys that fetching all gives, in the order of the paths. Characters that no key may have
 * become dots, as the incumbent writes them; of two paths with one key the first keeps it, and the
 * other comes back in `clashes`.
 */
export function keysOfAll(
  variableIds: readonly string[],
  { contentType, include, exclude, strip }: MapAll,
): { readonly entries: readonly MapEntry[]; readonly clashes: readonly string[] } {
  const wanted = include.map(glob)
  const unwanted = exclude.map(glob)
  const entries = new Map<string, MapEntry>()
  const clashes: string[] = []
  for (const variableId of variableIds.toSorted((one, other) => (one < other ? -1 : 1))) {
    if (wanted.length > 0 && !wanted.some((pattern) => pattern.test(variableId))) continue
    if (unwanted.some((pattern) => pattern.test(variableId))) continue
    const short = variableId.startsWith(strip) ? variableId.slice(strip.length) : variableId
    const key = short.replaceAll(/[^-._a-zA-Z\d]/g, '.')
    if (entries.has(key) || !isKey(key)) clashes.push(variableId)
    else entries.set(key, { key, variableId, contentType })
  }
  return { entries: [...entries.values()], clashes }
}

function readAll(fields: Record<string, unknown>, contentType: 'text' | 'base64'): MapAll {
  const { strip } = fields
  return {
    contentType,
    include: texts(fields['include']),
    exclude: texts(fields['exclude']),
    strip: typeof strip === 'string' ? strip : '',
  }
}

function texts(value: unknown): string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.filter((item) => typeof item === 'string')
}

function glob(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*|\*)/).map((part) => {
    if (part === '**') return '.*'
    return part === '*' ? '[^/]*' : part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)
  })
  return new RegExp(`^${parts.join('')}$`)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
