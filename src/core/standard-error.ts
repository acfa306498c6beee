import { writeSync } from 'node:fs'

/** What lines are written to. */
export interface LineWriter {
  write(line: string): void
}

const STANDARD_ERROR = 2

/**
 * Writes to standard error without the stream that an engine makes for it at the first touch, which takes as long as
 * a login. Where its reader does not keep up and whoever opened it wants nobody to wait, `stream` sees to the rest,
 * and to all that follows, or lines would overtake each other. A reader that has left costs the lines alone (P3).
 */
export function standardError(
  stream: () => { write(rest: Uint8Array): unknown },
  descriptor = STANDARD_ERROR,
): LineWriter {
  let opened: { write(rest: Uint8Array): unknown } | undefined
  return {
    write(line) {
      let rest: Uint8Array = Buffer.from(line)
      if (opened !== undefined) {
        opened.write(rest)
        return
      }
      try {
        while (rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest))
      } catch (error) {
        const isFull = error instanceof Error && 'code' in error && error.code === 'EAGAIN'
        if (!isFull) return
        opened = stream()
        opened.write(rest)
      }
    },
  }
}
