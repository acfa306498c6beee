/** One variable of a secret group, as the list names it. */
export interface Entry {
  readonly alias: string
  readonly variableId: string
  readonly contentType: 'text' | 'base64'
  /** A required variable without a value is an error; an optional one is left out. */
  readonly required: boolean
  /** Written where an optional variable has no value. */
  readonly default?: string
}

/** A group's list, read: its entries, or all that the host can see, and what is wrong with it. */
export interface SecretList {
  readonly entries: readonly Entry[]
  /** The list is `"*"`: every variable under the policy path. */
  readonly fetchAll?: 'text' | 'base64'
  /** Each names the place: `line 2 …`. */
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

/**
 * Reads the list of a secret group: YAML text, or what a config file holds in its place.
 * Every scalar counts as text, so that an alias `no` or a path `123` means what it says.
 */
export async function parseSecretList(source: unknown): Promise<SecretList> {
  // Bare, it would be an alias of YAML; the incumbent takes it for what it means.
  const text = source === '*' || typeof source !== 'string' ? undefined : source
  const plain = text === undefined ? undefined : readPlainList(text)
  if (plain !== undefined) return gather(plain)
  const list = text === undefined ? { value: source } : await parseYaml(text)
  if ('problem' in list) return { entries: [], problems: [list.problem], warnings: [] }
  if (list.value === '*') return { entries: [], fetchAll: 'text', problems: [], warnings: [] }
  if (!Array.isArray(list.value) || list.value.length === 0) {
    return {
      entries: [],
      problems: ['is no YAML list such as "- apps/web/db-password"'],
      warnings: [],
    }
  }
  const items: readonly unknown[] = list.value
  return gather(items.map((item) => readItem(item)))
}

/** What an item of a list is, or what is wrong with it. */
type Item = { readonly entry: Entry; readonly warning?: string } | string

function gather(items: readonly Item[]): SecretList {
  const entries: Entry[] = []
  const problems: string[] = []
  const warnings: string[] = []
  let fetchAll: SecretList['fetchAll']
  for (const [index, item] of items.entries()) {
    if (typeof item === 'string') {
      problems.push(`entry ${index + 1} ${item}`)
      continue
    }
    if (item.entry.alias === '*') fetchAll = item.entry.contentType
    else entries.push(item.entry)
    if (item.warning !== undefined) warnings.push(`entry ${index + 1} ${item.warning}`)
  }
  if (fetchAll !== undefined && entries.length > 0) {
    problems.push('holds "*" beside other entries; "*" already means all of them')
  }
  for (const twice of repeated(entries.map(({ alias }) => alias))) {
    problems.push(`has the alias ${twice} twice; write another one before one of the paths`)
  }
  return { entries, problems, warnings, ...(fetchAll === undefined ? {} : { fetchAll }) }
}

/** What stands more than once, each once. */
function repeated(texts: readonly string[]): ReadonlySet<string> {
  const [seen, again] = [new Set<string>(), new Set<string>()]
  for (const text of texts) (seen.has(text) ? again : seen).add(text)
  return again
}

/** The lists that people write: one scalar, or one `alias: path`, a line. They need no YAML parser. */
const PLAIN_LINE = /^([ \t]*)- ([\w./-]+)(?:: ([\w./-]+))?[ \t]*$/

/** Reads such a list; undefined where it is another. */
function readPlainList(text: string): readonly Item[] | undefined {
  const items: Item[] = []
  let indent: string | undefined
  for (const line of text.split('\n')) {
    const match = PLAIN_LINE.exec(line)
    if (match === null && line.trim() === '') continue
    const [, margin, first = '', second] = match ?? []
    indent ??= margin
    if (margin === undefined || margin !== indent) return undefined
    items.push(
      second === undefined
        ? readPath(first, { path: first })
        : readPath(first, { path: second, beside: NOTHING }),
    )
  }
  return items.length === 0 ? undefined : items
}

const NOTHING: ReadonlyMap<string, string> = new Map()

async function parseYaml(text: string): Promise<{ value: unknown } | { problem: string }> {
  const { parseDocument, visit } = await import('yaml')
  const document = parseDocument(text, { schema: 'failsafe', prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const line = text.slice(0, error.pos[0]).split('\n').length
    return {
      problem: `is not YAML: line ${line}, ${error.code.toLowerCase().replaceAll('_', ' ')}`,
    }
  }
  // A few lines of aliases can stand for a list without end; nobody needs one here.
  let alias: string | undefined
  visit(document, {
    Alias(_key, { source }) {
      alias = source
      return visit.BREAK
    },
  })
  if (alias !== undefined) {
    return { problem: `uses the YAML alias *${alias}; write out what it stands for` }
  }
  return { value: document.toJS() }
}

/** The keys that may stand beside an alias; every other key is an alias. */
const BESIDE: readonly string[] = ['content-type', 'required', 'default']

function readItem(item: unknown): Item {
  if (typeof item === 'string') return readPath(item, { path: item })
  if (typeof item !== 'object' || item === null || Array.isArray(item)) {
    return 'is neither a path nor alias: path'
  }
  const pairs: readonly (readonly [string, unknown])[] = Object.entries(item)
  const aliases = pairs.length === 1 ? pairs : pairs.filter(([key]) => !BESIDE.includes(key))
  const [named, second] = aliases
  if (named === undefined) return 'names no variable'
  if (second !== undefined) {
    return `has two aliases, ${named[0]} and ${second[0]}; give each an entry of its own`
  }
  const beside = new Map<string, string>()
  for (const [key, value] of pairs) {
    if (key === named[0]) continue
    if (!isScalar(value)) return `has a ${key} that is no text`
    beside.set(key, String(value))
  }
  const [alias, path] = named
  if (!isScalar(path)) return `has no path behind ${alias}`
  return readPath(alias, { path: String(path), beside })
}

function readPath(
  name: string,
  { path, beside }: { path: string; beside?: ReadonlyMap<string, string> },
): Item {
  const last = path.slice(path.lastIndexOf('/') + 1)
  if (path === '' || name === '') return 'has an empty path or alias'
  if (last === '') return `has the path ${path}, which ends in /`
  if (last.length > 126) return `has a path whose last part is longer than 126 characters`
  const alias = beside === undefined ? (path === '*' ? '*' : last) : name
  if (beside === undefined || beside.size === 0) {
    return { entry: { alias, variableId: path, contentType: 'text', required: true } }
  }
  const contentType = beside.get('content-type')?.toLowerCase() ?? 'text'
  const fallback = beside.get('default')
  const required = beside.get('required')?.toLowerCase()
  if (required !== undefined && required !== 'true' && required !== 'false') {
    return `has required: ${required}; it is true or false`
  }
  if (required === 'true' && fallback !== undefined) {
    return 'is required and has a default; leave one of them out'
  }
  const entry: Entry = {
    alias,
    variableId: path,
    contentType: contentType === 'base64' ? 'base64' : 'text',
    required: required !== 'false' && fallback === undefined,
    ...(fallback === undefined ? {} : { default: fallback }),
  }
  return contentType === 'text' || contentType === 'base64'
    ? { entry }
    : { entry, warning: `has the content-type ${contentType}; it is read as text` }
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
