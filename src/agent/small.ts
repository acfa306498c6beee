import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Garbage that may lie about between passes, in bytes: collecting it costs more time than it is worth. */
const LITTER = 1.5 * 1024 * 1024

/** Waits until what a pass has still to do is done. */
const SETTLED_MS = 100

/**
 * Keeps a process small that works for milliseconds and waits for minutes: the engine would give its
 * young objects ever more room, and keep garbage for as long as nothing presses. For a process of our
 * own only. Yields what is to be told of each pass: after the first one what only the start needed
 * goes, later what has gathered.
 */
export function staySmall(): () => void {
  setFlagsFromString('--semi-space-growth-factor=1')
  // Each thread that helps to collect would keep a heap of its own for it.
  setFlagsFromString('--single-threaded-gc')
  // Another engine than V8 takes no flag and has no such function: it is left to itself.
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('globalThis.gc')
  let base: number | undefined
  let timer: NodeJS.Timeout | undefined
  const settle = (): void => {
    timer = undefined
    if (typeof collect !== 'function') return
    if (base !== undefined && getHeapStatistics().used_heap_size < base + LITTER) return
    collect({
      type: 'major',
      execution: 'sync',
      flavor: base === undefined ? 'last-resort' : 'regular',
    })
    base = getHeapStatistics().used_heap_size
  }
  return () => {
    timer ??= setTimeout(settle, SETTLED_MS).unref()
  }
}
