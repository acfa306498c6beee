import { statfsSync } from 'node:fs'
import { getSystemErrorMessage } from 'node:util'
import { OutputError } from '../core/errors.ts'

/**
 * What the operating system refused, as an OutputError that names the directory; other errors
 * pass unchanged. This is the one place where the room reads error numbers.
 */
export function outputFailure(error: unknown, directory: string): unknown {
  const number = errorNumber(error)
  if (number === undefined || error instanceof OutputError) return error
  if (number === 'ENOSPC' || number === 'EDQUOT') return full(directory, error)
  return new OutputError(
    'OUTPUT_UNWRITABLE',
    `${directory} cannot be written: ${words(error)} (${number})`,
    {
      hint: wayOut(number, directory),
      retryable: PASSING.includes(number),
      facts: { directory, errno: number },
      cause: error,
    },
  )
}

/** The volume is being mounted, or another agent on it was faster. */
const PASSING: readonly string[] = ['ENOENT', 'EEXIST', 'ENOTEMPTY', 'EIO']

/** The name of the operating system's error, such as ENOENT; undefined where it is none. */
export function errorNumber(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

function words(error: unknown): string {
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') {
    return 'refused by the system'
  }
  // Some calls of Node, such as rmSync, give the number without its sign.
  return getSystemErrorMessage(-Math.abs(error.errno)) ?? 'refused by the system'
}

function full(directory: string, cause: unknown): OutputError {
  const { bytes, inodes } = free(directory)
  return new OutputError(
    'OUTPUT_FULL',
    `${directory} is full: ${bytes} bytes and ${inodes} more files would fit; the last set stays`,
    {
      hint: `df -h ${directory}; a volume holds the old and the new set at once: raise its sizeLimit (chart: agent.secretsVolume.sizeLimit)`,
      retryable: true,
      facts: { directory, freeBytes: bytes, freeInodes: inodes },
      cause,
    },
  )
}

function free(directory: string): { bytes: number; inodes: number } {
  try {
    const { bavail, bsize, ffree } = statfsSync(directory)
    return { bytes: bavail * bsize, inodes: ffree }
  } catch {
    return { bytes: 0, inodes: 0 }
  }
}

function wayOut(number: string, directory: string): string {
  switch (number) {
    case 'EROFS':
      return `mount an emptyDir with medium: Memory at ${directory}, without readOnly, in this container`
    case 'EACCES':
    case 'EPERM':
      return `ls -ld ${directory}: it must be writable for uid ${process.geteuid?.() ?? '?'}, gid ${process.getegid?.() ?? '?'}`
    case 'ENOTDIR':
      return `ls -ld ${directory}: a part of that path is a file`
    default:
      return `ls -la ${directory} shows whether the volume is still mounted there`
  }
}
