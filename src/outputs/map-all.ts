import { fitsGlob } from './path-glob.ts'
import { isKey, keyOf, type MapEntry } from './secret-key.ts'

/** Every variable that the host can see, as far as the filters let them through. */
export interface MapAll {
  readonly contentType: 'text' | 'base64'
  /** Globs over the variable's path. Empty: all. */
  readonly include: readonly string[]
  /** Globs that win over `include`. */
  readonly exclude: readonly string[]
  /** Taken off the front of a path before it becomes a key. */
  readonly strip: string
  /** More keys than this are refused. */
  readonly max: number
}

/** Where the incumbent stops. */
const MAX = 500
const FIELDS: readonly string[] = ['id', 'content-type', 'include', 'exclude', 'strip', 'max']

/**
 * Makes sense of what stands at `"*"`, beside its id. A filter that is not understood would let
 * everything through: hence nothing is guessed, and `problems` has a sentence on each.
 */
export function readAll(
  fields: Readonly<Record<string, unknown>>,
  contentType: MapAll['contentType'],
): { readonly all: MapAll; readonly problems: readonly string[] } {
  const { strip = '', max = MAX } = fields
  const include = globs(fields['include'])
  const exclude = globs(fields['exclude'])
  const problems = Object.keys(fields)
    .filter((name) => !FIELDS.includes(name))
    .map((name) => `key * knows no ${name}, but ${FIELDS.join(', ')}`)
  if (include === undefined) problems.push('key * needs a glob or a list of globs as include')
  if (exclude === undefined) problems.push('key * needs a glob or a list of globs as exclude')
  if (typeof strip !== 'string') problems.push('key * needs the start of a path as strip')
  const isCount = typeof max === 'number' && Number.isSafeInteger(max) && max > 0
  if (!isCount) problems.push('key * needs a whole number from 1 as max')
  return {
    all: {
      contentType,
      include: include ?? [],
      exclude: exclude ?? [],
      strip: typeof strip === 'string' ? strip : '',
      max: isCount ? max : MAX,
    },
    problems,
  }
}

/** Whether the filters let a variable through. */
export function isLetThrough({ include, exclude }: MapAll, variableId: string): boolean {
  const isIncluded = include.length === 0 || include.some((glob) => fitsGlob(glob, variableId))
  return isIncluded && !exclude.some((glob) => fitsGlob(glob, variableId))
}

/**
 * The keys that fetching all gives, in the order of the paths. Of two paths with one key the first
 * has it; the other, and a path that makes no key, stands in `notes`.
 */
export function keysOfAll(
  variableIds: readonly string[],
  all: MapAll,
): { readonly entries: readonly MapEntry[]; readonly notes: readonly string[] } {
  const { contentType, strip } = all
  const entries = new Map<string, MapEntry>()
  const notes: string[] = []
  for (const variableId of variableIds.toSorted((one, other) => (one < other ? -1 : 1))) {
    if (!isLetThrough(all, variableId)) continue
    const short = variableId.startsWith(strip) ? variableId.slice(strip.length) : variableId
    const key = keyOf(short)
    const first = entries.get(key)
    if (first !== undefined) {
      notes.push(`${variableId} is left out: ${first.variableId} has the key ${key}`)
    } else if (isKey(key)) entries.set(key, { key, variableId, contentType })
    else notes.push(`${variableId} is left out: "${key}" is no key of a Secret`)
  }
  return { entries: [...entries.values()], notes }
}

/** None where there is no such filter; undefined where it is no glob. */
function globs(value: unknown): readonly string[] | undefined {
  if (value === undefined) return []
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  const texts = list.filter((item): item is string => typeof item === 'string' && item !== '')
  return texts.length === list.length && list.length > 0 ? texts : undefined
}
