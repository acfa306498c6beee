import { readFileSync, writeFileSync } from 'node:fs'

const FILTER = '/proc/self/coredump_filter'

/** Runs `start` with core dumps as this process found them: a child inherits the filter of that moment. */
export type WithDumps = <Result>(start: () => Result) => Result

/**
 * From now on a core dump of this process holds nothing of its memory (P2), while children that are
 * started in the given function dump as they would have without us. Without Linux nothing changes.
 */
export function hideFromDumps(): WithDumps {
  const found = filter()
  set('0')
  return (start) => {
    set(found)
    try {
      return start()
    } finally {
      set('0')
    }
  }
}

function filter(): string {
  try {
    return `0x${readFileSync(FILTER, 'utf8').trim()}`
  } catch {
    return '0'
  }
}

function set(value: string): void {
  try {
    writeFileSync(FILTER, value)
  } catch {
    // A /proc that may not be written: dumps are as the machine has them.
  }
}
