import { accessSync, constants, statfsSync } from 'node:fs'
import { OutputError } from '../core/errors.ts'

/** What a preflight says of a directory that is to take secrets. */
export interface VolumeFacts {
  /** `tmpfs` and `ramfs` are memory; anything else may be a disk. */
  readonly fileSystem: 'tmpfs' | 'ramfs' | 'other' | 'absent'
  readonly isWritable: boolean
  readonly freeBytes: number
}

/** Looks at a directory without changing anything. */
export function volumeFacts(directory: string): VolumeFacts {
  try {
    const { type, bavail, bsize } = statfsSync(directory)
    return {
      fileSystem: fileSystemName(type),
      isWritable: isWritable(directory),
      freeBytes: bavail * bsize,
    }
  } catch {
    return { fileSystem: 'absent', isWritable: false, freeBytes: 0 }
  }
}

/** Throws an OutputError unless the directory's file system is in memory. */
export function demandMemory(directory: string): void {
  const { type } = statfsSync(directory)
  if (fileSystemName(type) !== 'other') return
  throw new OutputError(
    'OUTPUT_NOT_TMPFS',
    `${directory} is not in memory (file system type 0x${type.toString(16)}), and requireTmpfs is true`,
    {
      hint: `mount an emptyDir with medium: Memory at ${directory}, or set CONJUR_REQUIRE_TMPFS=warn`,
      facts: { directory, type },
    },
  )
}

function fileSystemName(type: number): 'tmpfs' | 'ramfs' | 'other' {
  switch (type) {
    case 0x01021994:
      return 'tmpfs'
    case 0x858458f6:
      return 'ramfs'
    default:
      return 'other'
  }
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}
