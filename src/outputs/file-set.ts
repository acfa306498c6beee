import type { Secret } from '../core/secret.ts'

/** A file as it shall be. */
export interface SetFile {
  readonly content: Secret
  /** Permission bits, set whatever the umask. */
  readonly mode: number
}

/** All files of a pass, by path relative to the secrets directory. */
export interface FileSet {
  readonly files: ReadonlyMap<string, SetFile>
  /** Carried over as they are on disk; where there is none, there will be none. */
  readonly keep: ReadonlySet<string>
  /** Files that earlier passes may have left and that must go; a set loses whatever it does not name. */
  readonly gone: ReadonlySet<string>
}

/** What a publication did. */
export interface Publication {
  readonly outcomes: ReadonlyMap<string, FileOutcome>
  /**
   * Removes the set that was superseded. A reader that is on its way through `..data` may still be
   * looking for a file in it, so whoever can wait a moment does; undefined where there is none.
   */
  readonly sweep: (() => void) | undefined
}

/** What became of one file: as in `Published`. */
export interface FileOutcome {
  readonly state: 'written' | 'same' | 'kept' | 'removed' | 'missing'
  readonly mode?: number
  readonly bytes?: number
}
