import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Gives the memory that a large policy took to read back to the system. The engine would keep it
 * for as long as nothing presses; a server that idles beside an application should not.
 */
export function releaseMemory(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function')
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}

/**
 * Keeps the engine from setting aside tens of megabytes for objects that do not live: a server for
 * one developer has no use for them. For a process of our own only.
 */
export function keepSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/** A text of this many characters and more is worth it. */
export const largeText = 256 * 1024
