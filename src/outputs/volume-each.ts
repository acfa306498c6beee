import { lstatSync, renameSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Secret } from '../core/secret.ts'
import type { FileOutcome, FileSet, Publication, SetFile } from './file-set.ts'
import { isAsWanted, locate, lookForFile, readBytes, type Found } from './volume-look.ts'
import { isOurLink, leftovers, nameAbove } from './volume-plan.ts'
import { parents } from './relative-path.ts'
import { makeDirectory, remove, removeEmptyDirectory, writeNewFile } from './volume-write.ts'

/**
 * Publishes plain files, each replaced by rename: for consumers that mount a single file, whose
 * mount no swapped link can reach. What an earlier pass published as a set is turned into files.
 */
export function publishEach(directory: string, found: Found, set: FileSet): Publication {
  for (const name of leftovers(found)) remove(join(directory, name))
  const all = new Map<string, FileOutcome>()
  const stage = nameAbove(found.names.keys())
  const write = new Map<string, SetFile>()
  for (const path of set.keep) {
    const old = locate(directory, found, path)
    if (old === undefined) {
      all.set(path, { state: 'missing' })
      continue
    }
    if (found.files.has(path) && lookForFile(directory, path) === undefined) {
      write.set(path, { content: new Secret(readBytes(old.at)), mode: old.mode })
    }
    all.set(path, { state: 'kept', mode: old.mode, bytes: old.bytes })
  }
  for (const [path, file] of set.files) {
    const isSame = isAsWanted(lookForFile(directory, path), file)
    if (!isSame) write.set(path, file)
    all.set(path, {
      state: isSame ? 'same' : 'written',
      mode: file.mode,
      bytes: file.content.length,
    })
  }
  if (write.size > 0) replace(directory, stage, write)
  for (const path of set.gone) {
    if (lookForFile(directory, path) === undefined) continue
    unlinkSync(join(directory, path))
    all.set(path, { state: 'removed' })
  }
  for (const [name, is] of found.names) {
    if (isOurLink(name, is) && lstatSync(join(directory, name)).isSymbolicLink()) {
      unlinkSync(join(directory, name))
    }
  }
  if (found.current !== undefined) {
    remove(join(directory, '..data'))
    remove(join(directory, found.current))
  }
  return { outcomes: all, sweep: undefined }
}

/** Writes everything beside its place first, so that a full volume is known before one file has changed. */
function replace(directory: string, stage: string, files: ReadonlyMap<string, SetFile>): void {
  try {
    for (const path of files.keys()) makeRoom(directory, path)
    makeDirectory(join(directory, stage))
    for (const [path, file] of files) writeNewFile(join(directory, stage), path, file)
    for (const path of files.keys()) {
      for (const parent of parents(path)) makeDirectory(join(directory, parent))
      renameSync(join(directory, stage, path), join(directory, path))
    }
  } finally {
    remove(join(directory, stage))
  }
}

/** What stands where a directory is needed goes; a directory where the file belongs goes if it is empty. */
function makeRoom(directory: string, path: string): void {
  for (const parent of parents(path)) {
    const stats = lstatSync(join(directory, parent), { throwIfNoEntry: false })
    if (stats !== undefined && !stats.isDirectory()) unlinkSync(join(directory, parent))
  }
  const stats = lstatSync(join(directory, path), { throwIfNoEntry: false })
  if (stats?.isDirectory()) removeEmptyDirectory(join(directory, path), path)
}
