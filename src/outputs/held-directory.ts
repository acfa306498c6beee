import { closeSync, constants, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A directory that stays the same while it is worked in, whatever is put at its path meanwhile, and
 * with it what lies below: who may write there as well can lead no step of ours out of it (P8).
 */
export interface HeldDirectory {
  /** Its path, for words to people. */
  readonly directory: string
  /**
   * A path for one system call, to be used at once: of it only the last part is still looked up.
   * `.` as the last part is the directory before it. Every directory above is opened, and a link
   * there is ENOTDIR.
   */
  at(path: string): string
  /**
   * Runs `act` in a directory below it, or in itself for `.`: there a name alone is the path for a system call, which
   * takes half the time where there are a thousand of them. Where the process could not come back it stays where it is.
   */
  within(path: string, act: (here: Pick<HeldDirectory, 'at'>) => void): void
}

/** Where the kernel shows a process its own descriptors; a look-up through them begins at what is open. */
const DESCRIPTORS = '/proc/self/fd'

/** So many directories below one are open at the same time; the longest unused is closed for the next. */
const MOST = 32

/** Holds a directory, which may itself be reached through links, for as long as `act` takes. */
export function holding<Result>(directory: string, act: (held: HeldDirectory) => Result): Result {
  // No Linux: what is swapped in between can then be followed, as everywhere.
  if (!existsSync(DESCRIPTORS)) {
    return act({
      directory,
      at: (path) => join(directory, path),
      within: (below, act) => act({ at: (name) => join(directory, below, name) }),
    })
  }
  const root = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  const below = new Map<string, number>()
  const at = (path: string): string => {
    const slash = path.lastIndexOf('/')
    const above = slash < 0 ? root : open(path.slice(0, slash))
    return `${DESCRIPTORS}/${above}/${path.slice(slash + 1)}`
  }
  const open = (path: string): number => {
    const descriptor =
      below.get(path) ??
      openSync(at(path), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    below.delete(path)
    below.set(path, descriptor)
    const [[oldest, unused] = ['', root]] = below
    if (below.size > MOST) {
      below.delete(oldest)
      closeSync(unused)
    }
    return descriptor
  }
  const within: HeldDirectory['within'] = (path, act) => {
    const back = wayBack()
    if (back === undefined) {
      act({ at: (name) => at(path === '.' ? name : `${path}/${name}`) })
      return
    }
    try {
      process.chdir(`${DESCRIPTORS}/${path === '.' ? root : open(path)}`)
      act({ at: (name) => name })
    } finally {
      process.chdir(`${DESCRIPTORS}/${back}`)
      closeSync(back)
    }
  }
  try {
    return act({ directory, at, within })
  } finally {
    for (const descriptor of [root, ...below.values()]) closeSync(descriptor)
  }
}

/** The directory that the process is in, open, where it can be come back to. */
function wayBack(): number | undefined {
  let here: number | undefined
  try {
    here = openSync('.', constants.O_RDONLY | constants.O_DIRECTORY)
    process.chdir(`${DESCRIPTORS}/${here}`)
    return here
  } catch {
    if (here !== undefined) closeSync(here)
    return undefined
  }
}
