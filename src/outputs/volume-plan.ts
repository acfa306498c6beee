import type { FileSet } from './file-set.ts'
import { SET_NAME, type Found, type FoundName } from './volume-look.ts'

/** What is to be done to a secrets directory so that it shows a set; all lists may be empty. */
export interface Plan {
  /** The directory to build; undefined where the current one already holds the set. */
  readonly next: string | undefined
  /** Names that are absent: linked before the swap, so that the swap alone makes them appear. */
  readonly linksBefore: readonly string[]
  /** Names where something else stands: replaced right after the swap. */
  readonly linksAfter: readonly string[]
  /** Our links whose file is no longer in the set. */
  readonly unlink: readonly string[]
  /** Left by a pass that was cut short. */
  readonly leftovers: readonly string[]
}

/**
 * Compares what was found with a set; `keep` names only files that are there.
 *
 * `unchanged` names the files of the current set that already are as wanted. Where nothing
 * differs nothing is planned.
 */
export function planSet(
  found: Found,
  set: Pick<FileSet, 'files' | 'keep'>,
  unchanged: ReadonlySet<string>,
): Plan {
  const paths = [...set.files.keys(), ...set.keep]
  const isThere =
    found.isTidy &&
    found.files.size === paths.length &&
    paths.every((path) => (set.files.has(path) ? unchanged : found.files).has(path))
  const wanted = new Set(paths.map(topName))
  const misplaced = [...wanted].filter((name) => !isOurLink(name, found.names.get(name)))
  const ours = [...found.names].filter(([name, is]) => isOurLink(name, is)).map(([name]) => name)
  return {
    next: isThere ? undefined : nameAbove(found.names.keys()),
    linksBefore: misplaced.filter((name) => !found.names.has(name)),
    linksAfter: misplaced.filter((name) => found.names.has(name)),
    unlink: ours.filter((name) => !wanted.has(name)),
    leftovers: leftovers(found),
  }
}

/** The link that a top-level name is: through `..data`, so that one swap moves all of them. */
export function linkTarget(name: string): string {
  return `..data/${name}`
}

/** Whether a name is one of our links into the published set. */
export function isOurLink(name: string, is: FoundName | undefined): boolean {
  return is?.kind === 'link' && is.target === linkTarget(name)
}

/** A directory name `..N` above every number that is there. */
export function nameAbove(names: Iterable<string>): string {
  const numbers = [...names].map((name) => Number(/^\.\.(\d{1,15})(?=\.|$)/.exec(name)?.[1] ?? 0))
  return `..${Math.max(0, ...numbers) + 1}`
}

/** Directories and half-made links of ours that belong to no published set. */
export function leftovers(found: Found): string[] {
  return [...found.names.keys()].filter(
    (name) => name !== found.current && (SET_NAME.test(name) || /^\.\.\d{1,15}\.tmp$/.test(name)),
  )
}

function topName(path: string): string {
  const slash = path.indexOf('/')
  return slash === -1 ? path : path.slice(0, slash)
}
