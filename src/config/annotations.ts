/** A downward-API annotations file, read: the pairs, and the lines that are none. */
export interface Annotations {
  readonly pairs: ReadonlyMap<string, string>
  /** Line numbers, counted from 1. */
  readonly malformed: readonly number[]
}

/**
 * Reads the downward API's annotations file: one `key="value"` a line, the value quoted as Go's
 * `%q` does. A line may be of any length; a broken one is reported and costs only itself.
 */
export function parseAnnotations(text: string): Annotations {
  const pairs = new Map<string, string>()
  const malformed: number[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const at = line.indexOf('=')
    const value = at > 0 ? unquote(line.slice(at + 1).trim()) : undefined
    if (value === undefined) malformed.push(index + 1)
    else pairs.set(line.slice(0, at), value)
  }
  return { pairs, malformed }
}

const SIMPLE: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
  '"': 34,
}

const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv\\"]))/g

/** An escape that Go writes and JSON may not know, or one that only looks like it, behind a quoted backslash. */
const BEYOND_JSON = /\\[^"\\bfnrt]/

/** The text that Go's `strconv.Quote` wrote; undefined if it is no such quotation. */
function unquote(quoted: string): string | undefined {
  if (quoted.startsWith('"') && !BEYOND_JSON.test(quoted)) {
    try {
      return String(JSON.parse(quoted))
    } catch {
      // What JSON refuses may still be Go's.
    }
  }
  if (quoted.length < 2 || !quoted.startsWith('"') || !quoted.endsWith('"')) return undefined
  const inner = quoted.slice(1, -1)
  if (/["\\]/.test(inner.replaceAll(ESCAPE, ''))) return undefined
  // `\xNN` is one byte, not one character: several of them may spell one, so bytes are joined first.
  const parts: Buffer[] = []
  let from = 0
  for (const match of inner.matchAll(ESCAPE)) {
    const [whole, byte, short, long, simple] = match
    parts.push(Buffer.from(inner.slice(from, match.index)))
    if (byte !== undefined) parts.push(Buffer.of(Number.parseInt(byte, 16)))
    else if (simple !== undefined) parts.push(Buffer.of(SIMPLE[simple] ?? 0))
    else {
      const point = Number.parseInt(short ?? long ?? '', 16)
      if (point > 0x10_ffff) return undefined
      parts.push(Buffer.from(String.fromCodePoint(point)))
    }
    from = match.index + whole.length
  }
  parts.push(Buffer.from(inner.slice(from)))
  return Buffer.concat(parts).toString('utf8')
}
