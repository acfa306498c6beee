import { existsSync } from 'node:fs'
import type { FileSet, Publication } from './file-set.ts'
import { holding } from './held-directory.ts'
import { outputFailure } from './output-failure.ts'
import { publishEach } from './volume-each.ts'
import { demandMemory } from './volume-facts.ts'
import { locate, look } from './volume-look.ts'
import { publishSet } from './volume-set.ts'
import { makeDirectory } from './volume-write.ts'

export interface VolumeOptions {
  readonly directory: string
  /** `set`: all files change by one swap. `each`: plain files, each replaced by rename. */
  readonly publish: 'set' | 'each'
  /** `true` refuses a directory that is not in memory; `warn` and `false` leave that to the caller. */
  readonly requireTmpfs: 'true' | 'warn' | 'false'
}

/** A directory in which a set of files is published at once. */
export interface Volume {
  /** The paths that are on the volume: those of the published set, and of these what stands there plainly. */
  held(paths: Iterable<string>): ReadonlySet<string>
  /**
   * Makes the directory show exactly this set; what already is as it should be is not touched.
   * Throws an OutputError, with the last set still in place.
   */
  publish(set: FileSet): Publication
}

/**
 * Publishes sets of files in one directory, which is made if it is not there.
 *
 * The calls are synchronous: a memory file system answers in microseconds, while a trip through
 * the thread pool costs more than the write itself; and no signal falls between two of them.
 * Nothing is flushed to a disk: on tmpfs there is none, and what a power cut leaves elsewhere
 * differs from the set and is written again by the first pass.
 */
export function volume({ directory, publish, requireTmpfs }: VolumeOptions): Volume {
  return {
    held(paths) {
      if (!existsSync(directory)) return new Set()
      return guarded(directory, () =>
        holding(directory, (held) => {
          const found = look(held)
          const plain = [...paths].filter((path) => locate(held, found, path) !== undefined)
          return new Set([...found.files.keys(), ...plain])
        }),
      )
    },
    publish(set) {
      return guarded(directory, () => {
        makeDirectory(directory)
        if (requireTmpfs === 'true') demandMemory(directory)
        return holding(directory, (held) => {
          const found = look(held)
          if (publish === 'each') return publishEach(held, found, set)
          const { outcomes, sweep } = publishSet(held, found, set)
          return { outcomes, sweep: sweep && (() => guarded(directory, sweep)) }
        })
      })
    },
  }
}

function guarded<Result>(directory: string, act: () => Result): Result {
  try {
    return act()
  } catch (error) {
    throw outputFailure(error, directory)
  }
}
