import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Garbage that may gather while passes follow each other closely, in bytes: collecting less costs more time than it is worth. */
const LITTER = 1.5 * 1024 * 1024

/** Garbage that is left where it is even before a long rest, in bytes. */
const CRUMBS = 0.25 * 1024 * 1024

/** Waits until what a pass has still to do is done. */
const SETTLED_MS = 100

/** So long after its last pass a process is at rest. */
const QUIET_MS = 2000

/**
 * What the engine is told of a process that works for milliseconds and waits for minutes. Code of
 * ours never runs long enough to be worth a compiler: each that starts takes some ten megabytes off
 * the C heap, which never come back. Young objects would be given ever more room, and each thread
 * that helps to collect would keep a heap of its own for it.
 */
const FLAGS = [
  { told: '--no-opt', asStarted: '--opt' },
  { told: '--no-maglev', asStarted: '--maglev' },
  { told: '--no-sparkplug', asStarted: '--sparkplug' },
  { told: '--semi-space-growth-factor=1', asStarted: '--semi-space-growth-factor=2' },
  { told: '--single-threaded-gc', asStarted: '--no-single-threaded-gc' },
  { told: '--expose-gc', asStarted: '--no-expose-gc' },
]

/** Tells the engine; while the door (.config/door.cjs) keeps what is compiled, it is as it started: no other one takes that. */
function tellEngine(): void {
  for (const { told } of FLAGS) setFlagsFromString(told)
  Reflect.set(process, Symbol.for('conjur-agent.asStarted'), (act: () => void) => {
    for (const { asStarted } of FLAGS) setFlagsFromString(asStarted)
    act()
    for (const { told } of FLAGS) setFlagsFromString(told)
  })
}

/**
 * Keeps a process small that works for milliseconds and waits for minutes; for a process of our own
 * only. Yields what is to be told of each pass: after the first one what only the start needed goes,
 * later what has gathered, at the latest when no pass has come for a while.
 */
export function staySmall(): () => void {
  // Another engine than V8 takes no flag and has no such function: it is left to itself.
  tellEngine()
  const collect: unknown = runInNewContext('globalThis.gc')
  if (typeof collect !== 'function') return () => undefined
  let base = 0
  let timer: NodeJS.Timeout | undefined
  const litter = (): number => getHeapStatistics().used_heap_size - base
  const settle = (): void => {
    if (litter() < CRUMBS) return
    // This flavor alone gives back the pages too.
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    base = getHeapStatistics().used_heap_size
  }
  return () => {
    clearTimeout(timer)
    timer = setTimeout(settle, litter() < LITTER ? QUIET_MS : SETTLED_MS).unref()
  }
}
