import { parse } from 'yaml'
import {
  object,
  pipe,
  record,
  safeParse,
  string,
  transform,
  union,
  base64 as base64Text,
} from 'valibot'

const value = union([
  string(),
  pipe(
    object({ base64: pipe(string(), base64Text()) }),
    transform(({ base64 }) => Buffer.from(base64, 'base64')),
  ),
])
const file = union([
  record(string(), value),
  pipe(
    object({ values: record(string(), value) }),
    transform(({ values }) => values),
  ),
])

/**
 * Reads a values file, YAML or JSON: variable id → text, or `{base64: …}` for bytes; also under a
 * key `values`. Throws an Error that names what it cannot read, never a value.
 */
export function parseValues(text: string): ReadonlyMap<string, Buffer> {
  const found = safeParse(file, read(text) ?? {})
  if (!found.success) throw new Error('a values file maps variable ids to texts, or to {base64: …}')
  return new Map(Object.entries(found.output).map(([id, held]) => [id, Buffer.from(held)]))
}

/** JSON is YAML too, but a hundred thousand values of it need no tree of nodes. */
function read(text: string): unknown {
  try {
    const parsed: unknown = JSON.parse(text)
    return parsed
  } catch {
    return parse(text)
  }
}
