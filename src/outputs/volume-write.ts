import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { OutputError } from '../core/errors.ts'
import type { SetFile } from './file-set.ts'
import { errorNumber } from './output-failure.ts'
import { parents } from './relative-path.ts'

/** Makes a directory of mode 0755 and those above it, whatever the umask; one that is there stays as it is. */
export function makeDirectory(path: string): void {
  // Not Node's own `recursive`: on a read-only file system that reports ENOENT.
  try {
    mkdirSync(path)
  } catch (error) {
    if (errorNumber(error) === 'EEXIST' && statSync(path).isDirectory()) return
    if (errorNumber(error) !== 'ENOENT' || dirname(path) === path) throw error
    makeDirectory(dirname(path))
    mkdirSync(path)
  }
  chmodSync(path, 0o755)
}

/** Makes a directory of mode 0755 that must not exist yet: what another agent is building is not ours. */
export function createDirectory(path: string): void {
  mkdirSync(path)
  chmodSync(path, 0o755)
}

/** Writes a file that must not exist yet below `directory`; it gets its mode before its first byte. */
export function writeNewFile(directory: string, path: string, { content, mode }: SetFile): void {
  makeParents(directory, path)
  const file = openSync(
    join(directory, path),
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  )
  try {
    fchmodSync(file, mode)
    writeFileSync(file, content.bytes())
  } finally {
    closeSync(file)
  }
}

/**
 * Gives a file that is already on the volume a second name, so that it takes no more room and
 * keeps its times. False where the file system or its rules do not let us.
 */
export function carry(from: string, directory: string, path: string): boolean {
  makeParents(directory, path)
  try {
    linkSync(from, join(directory, path))
    return true
  } catch (error) {
    const number = errorNumber(error)
    if (number === 'ENOSPC' || number === 'EEXIST' || number === undefined) throw error
    return false
  }
}

/** Puts a link where anything but a directory may stand, by rename: at no moment is there nothing. */
export function placeLink(target: string, half: string, at: string): void {
  symlinkSync(target, half)
  renameSync(half, at)
}

/** Removes whatever stands there, links unfollowed; nothing there is fine. */
export function remove(path: string): void {
  // Not Node's rmSync: what it throws on a read-only file system has neither code nor number.
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return
  unlessGone(() => {
    if (!stats.isDirectory()) return unlinkSync(path)
    for (const name of readdirSync(path)) remove(join(path, name))
    rmdirSync(path)
  })
}

/** Another agent on the same volume may have been faster. */
function unlessGone(act: () => void): void {
  try {
    act()
  } catch (error) {
    if (errorNumber(error) !== 'ENOENT') throw error
  }
}

/** Makes room where a directory stands: an empty one goes, another is an OUTPUT_BLOCKED that names it. */
export function removeEmptyDirectory(path: string, belongs: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    if (errorNumber(error) !== 'ENOTEMPTY' && errorNumber(error) !== 'EEXIST') throw error
    throw new OutputError(
      'OUTPUT_BLOCKED',
      `${path} is a directory with something in it, where ${belongs} belongs`,
      {
        hint: `ls -la ${path}; move it away, or give the file another path (conjur.org/secret-file-path.<group>)`,
        facts: { path },
        cause: error,
      },
    )
  }
}

function makeParents(directory: string, path: string): void {
  for (const parent of parents(path)) makeDirectory(join(directory, parent))
}
