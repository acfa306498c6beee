/**
 * A Bicep file as far as it can be understood without its compiler, which is on no registry that this
 * project may use: declarations, resource types, objects and arrays, each name used once and declared.
 * Types and properties of resources are not checked. An expression stays its text, written `${…}`.
 */
export interface Bicep {
  /** Parameters; undefined where one has no default. */
  readonly parameters: ReadonlyMap<string, unknown>
  readonly variables: ReadonlyMap<string, unknown>
  readonly resources: ReadonlyMap<string, BicepResource>
}

export interface BicepResource {
  readonly type: string
  readonly apiVersion: string
  readonly existing: boolean
  readonly body: unknown
}

/** Reads a Bicep file. Throws an Error that names the line. */
export function parseBicep(text: string): Bicep {
  const cursor = { text, at: 0 }
  const parameters = new Map<string, unknown>()
  const variables = new Map<string, unknown>()
  const resources = new Map<string, BicepResource>()
  const used: { name: string; at: number }[] = []
  for (;;) {
    skipBlank(cursor)
    if (cursor.at >= text.length) break
    if (take(cursor, /@description\('(?:[^'\\]|\\.)*'\)/y) !== undefined) continue
    const [, keyword = '', name = ''] = need(cursor, /(param|var|resource) (\w+) ?/y)
    if ([parameters, variables, resources].some((known) => known.has(name))) {
      fail(cursor, `${name} is declared twice`)
    }
    if (keyword === 'param') {
      need(cursor, /(string|int|bool|object|array) ?/y)
      const hasDefault = take(cursor, /= /y) !== undefined
      parameters.set(name, hasDefault ? value(cursor, used) : undefined)
    } else if (keyword === 'var') {
      need(cursor, /= /y)
      variables.set(name, value(cursor, used))
    } else {
      const [, type = '', apiVersion = ''] = need(
        cursor,
        /'([A-Z]\w+\.\w+(?:\/\w+)+)@(\d{4}-\d\d-\d\d)' /y,
      )
      const existing = take(cursor, /existing /y) !== undefined
      need(cursor, /= /y)
      const condition = take(cursor, /if (\([^)]*\)) /y)
      if (condition !== undefined) use(condition[1] ?? '', { cursor, used })
      resources.set(name, { type, apiVersion, existing, body: value(cursor, used) })
    }
    need(cursor, /[ \t]*(?:\n|$)/y)
  }
  for (const { name, at } of used) {
    if (FUNCTIONS.has(name) || parameters.has(name)) continue
    if (!variables.has(name) && !resources.has(name)) fail({ text, at }, `${name} is not declared`)
  }
  return { parameters, variables, resources }
}

interface Cursor {
  readonly text: string
  at: number
}

type Used = { name: string; at: number }[]

const FUNCTIONS = new Set(['resourceGroup', 'json', 'concat', 'true', 'false', 'null'])

function value(cursor: Cursor, used: Used): unknown {
  switch (cursor.text[cursor.at]) {
    case '{':
      return object(cursor, used)
    case '[':
      return array(cursor, used)
    case "'": {
      const [text] = need(cursor, /'(?:[^'\\\n]|\\.)*'/y)
      for (const [inside] of text.matchAll(/(?<!\\)\$\{[^}]*\}/g)) use(inside, { cursor, used })
      return unescape(text.slice(1, -1))
    }
    default:
      return expression(cursor, used)
  }
}

function object(cursor: Cursor, used: Used): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  cursor.at += 1
  for (;;) {
    skipBlank(cursor)
    if (take(cursor, /\}/y) !== undefined) return found
    const [, bare, quoted] = need(cursor, /(?:(\w+)|'((?:[^'\\\n]|\\.)*)'): /y)
    const key = bare ?? quoted ?? ''
    if (key in found) fail(cursor, `${key} stands twice`)
    if (quoted !== undefined) use(quoted, { cursor, used })
    found[key] = value(cursor, used)
    need(cursor, /[ \t]*(?:,|\/\/[^\n]*\n|\n|(?=\}))/y)
  }
}

function array(cursor: Cursor, used: Used): unknown[] {
  const found: unknown[] = []
  cursor.at += 1
  for (;;) {
    skipBlank(cursor)
    if (take(cursor, /\]/y) !== undefined) return found
    found.push(value(cursor, used))
    need(cursor, /[ \t]*(?:,|\/\/[^\n]*\n|\n|(?=\]))/y)
  }
}

/** Up to the end of the line, or the bracket or comma that closes what it stands in. */
function expression(cursor: Cursor, used: Used): unknown {
  const start = cursor.at
  let depth = 0
  for (; cursor.at < cursor.text.length; cursor.at += 1) {
    const sign = cursor.text[cursor.at] ?? ''
    if (sign === '\n') break
    if (sign === "'") {
      need(cursor, /'(?:[^'\\\n]|\\.)*'/y)
      cursor.at -= 1
    } else if ('([{'.includes(sign)) depth += 1
    else if (depth === 0 && '}],'.includes(sign)) break
    else if (')]}'.includes(sign)) depth -= 1
  }
  const text = cursor.text.slice(start, cursor.at).trim()
  if (depth !== 0 || text === '') fail(cursor, `"${text}" does not end on its line`)
  if (/^\d+$/.test(text)) return Number(text)
  if (text === 'true' || text === 'false') return text === 'true'
  use(text, { cursor: { text: cursor.text, at: start }, used })
  return `\${${text}}`
}

/** Notes the names that an expression begins with; strings in it count for what they interpolate. */
function use(text: string, { cursor, used }: { cursor: Cursor; used: Used }): void {
  const interpolated = [...text.matchAll(/\$\{([^}]*)\}/g)].map(([, inside]) => inside).join(' ')
  const code = `${text.replaceAll(/'(?:[^'\\]|\\.)*'/g, "''").replaceAll(/\$\{[^}]*\}/g, '')} ${interpolated}`
  if (!/[$({=.?]|^\w+$/.test(text)) return
  for (const [name] of code.matchAll(/(?<![.\w'])[A-Za-z_]\w*(?!\w|:)/g)) {
    used.push({ name, at: cursor.at })
  }
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign))
}

function skipBlank(cursor: Cursor): void {
  take(cursor, /(?:\s|\/\/[^\n]*)*/y)
}

function take(cursor: Cursor, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text) ?? undefined
  if (found !== undefined) cursor.at = pattern.lastIndex
  return found
}

function need(cursor: Cursor, pattern: RegExp): RegExpExecArray {
  return take(cursor, pattern) ?? fail(cursor, `wants ${pattern.source}`)
}

function fail({ text, at }: Cursor, what: string): never {
  const line = text.slice(0, at).split('\n').length
  throw new Error(`line ${line}: ${what}, and finds ${JSON.stringify(text.slice(at, at + 30))}`)
}
