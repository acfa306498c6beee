import type { Reply } from './platform.ts'

/** A JSON reply as most platforms write it. */
export function json(status: number, body: unknown): Reply {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8' },
    body: JSON.stringify(body),
  }
}

export function text(status: number, body: string): Reply {
  return { status, headers: { 'Content-Type': 'text/plain' }, body }
}

/** The value of a header whose name stands on the wire exactly so. */
export function exactHeader(rawHeaders: readonly string[], name: string): string | undefined {
  const at = rawHeaders.findIndex((candidate, index) => index % 2 === 0 && candidate === name)
  return at === -1 ? undefined : rawHeaders[at + 1]
}
