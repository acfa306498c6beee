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
import type { HeldDirectory } from './held-directory.ts'
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
export function createDirectory(held: HeldDirectory, path: string): void {
  mkdirSync(held.at(path))
  chmodSync(held.at(`${path}/.`), 0o755)
}

/** Makes the directories that lie above these paths, as far as they are not there. */
export function makeParents(held: HeldDirectory, paths: Iterable<string>): void {
  for (const path of new Set([...paths].flatMap(parents))) {
    try {
      createDirectory(held, path)
    } catch (error) {
      const isThere = errorNumber(error) === 'EEXIST' && lstatSync(held.at(path)).isDirectory()
      if (!isThere) throw error
    }
  }
}

/** Writes a file that must not exist yet; it gets its mode before its first byte. */
export function writeNewFile(
  held: Pick<HeldDirectory, 'at'>,
  path: string,
  { content, mode }: SetFile,
): void {
  const file = openSync(
    held.at(path),
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
export function carry(held: HeldDirectory, from: string, to: string): boolean {
  try {
    linkSync(held.at(from), held.at(to))
    return true
  } catch (error) {
    const number = errorNumber(error)
    if (number === 'ENOSPC' || number === 'EEXIST' || number === undefined) throw error
    return false
  }
}

/** Puts a link where anything but a directory may stand, by rename: at no moment is there nothing. */
export function placeLink(
  held: HeldDirectory,
  { target, half, path }: { target: string; half: string; path: string },
): void {
  symlinkSync(target, held.at(half))
  renameSync(held.at(half), held.at(path))
}

/** Puts a file where anything but a directory may stand, by rename: no reader sees half of it, and no link is followed. */
export function replaceFile(held: HeldDirectory, name: string, file: SetFile): void {
  removeHalf(held, name)
  try {
    writeNewFile(held, halfOf(name), file)
    renameSync(held.at(halfOf(name)), held.at(name))
  } catch (error) {
    removeHalf(held, name)
    throw error
  }
}

/** Removes what a kill has left of `replaceFile` between writing and renaming. */
export function removeHalf(held: HeldDirectory, name: string): void {
  remove(held, halfOf(name))
}

function halfOf(name: string): string {
  return `.${name}.tmp`
}

/** Removes whatever stands there, links unfollowed; nothing there is fine. */
export function remove(held: HeldDirectory, path: string): void {
  // Not Node's rmSync: what it throws on a read-only file system has neither code nor number.
  const stats = lstatSync(held.at(path), { throwIfNoEntry: false })
  if (stats === undefined) return
  unlessGone(() => {
    if (!stats.isDirectory()) return unlinkSync(held.at(path))
    for (const name of readdirSync(held.at(`${path}/.`))) remove(held, `${path}/${name}`)
    rmdirSync(held.at(path))
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
export function removeEmptyDirectory(held: HeldDirectory, name: string, belongs: string): void {
  try {
    rmdirSync(held.at(name))
  } catch (error) {
    if (errorNumber(error) !== 'ENOTEMPTY' && errorNumber(error) !== 'EEXIST') throw error
    const path = join(held.directory, name)
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
