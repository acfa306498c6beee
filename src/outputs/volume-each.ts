import { lstatSync, renameSync, unlinkSync } from 'node:fs'
import { Secret } from '../core/secret.ts'
import type { FileOutcome, FileSet, Publication, SetFile } from './file-set.ts'
import type { HeldDirectory } from './held-directory.ts'
import { isAsWanted, locate, lookForFile, readBytes, type Found } from './volume-look.ts'
import { isOurLink, leftovers, nameAbove } from './volume-plan.ts'
import { parents } from './relative-path.ts'
import {
  createDirectory,
  makeParents,
  remove,
  removeEmptyDirectory,
  writeNewFile,
} from './volume-write.ts'

/**
 * Publishes plain files, each replaced by rename: for consumers that mount a single file, whose
 * mount no swapped link can reach. What an earlier pass published as a set is turned into files.
 */
export function publishEach(held: HeldDirectory, found: Found, set: FileSet): Publication {
  for (const name of leftovers(found)) remove(held, name)
  const all = new Map<string, FileOutcome>()
  const stage = nameAbove(found.names.keys())
  const write = new Map<string, SetFile>()
  for (const path of set.keep) {
    const old = locate(held, found, path)
    if (old === undefined) {
      all.set(path, { state: 'missing' })
      continue
    }
    if (found.files.has(path) && lookForFile(held, path) === undefined) {
      write.set(path, { content: new Secret(readBytes(held, old.place)), mode: old.mode })
    }
    all.set(path, { state: 'kept', mode: old.mode, bytes: old.bytes })
  }
  for (const [path, file] of set.files) {
    const isSame = isAsWanted(held, lookForFile(held, path), file)
    if (!isSame) write.set(path, file)
    all.set(path, {
      state: isSame ? 'same' : 'written',
      mode: file.mode,
      bytes: file.content.length,
    })
  }
  if (write.size > 0) replace(held, stage, write)
  for (const path of set.gone) {
    if (lookForFile(held, path) === undefined) continue
    unlinkSync(held.at(path))
    all.set(path, { state: 'removed' })
  }
  for (const [name, is] of found.names) {
    if (isOurLink(name, is) && lstatSync(held.at(name)).isSymbolicLink()) {
      unlinkSync(held.at(name))
    }
  }
  if (found.current !== undefined) {
    remove(held, '..data')
    remove(held, found.current)
  }
  return { outcomes: all, sweep: undefined }
}

/** Writes everything beside its place first, so that a full volume is known before one file has changed. */
function replace(held: HeldDirectory, stage: string, files: ReadonlyMap<string, SetFile>): void {
  const paths = [...files.keys()]
  const staged = (path: string): string => `${stage}/${path}`
  try {
    for (const path of paths) makeRoom(held, path)
    createDirectory(held, stage)
    makeParents(held, paths.map(staged))
    for (const [path, file] of files) writeNewFile(held, staged(path), file)
    makeParents(held, paths)
    for (const path of paths) renameSync(held.at(staged(path)), held.at(path))
  } finally {
    remove(held, stage)
  }
}

/** What stands where a directory is needed goes; a directory where the file belongs goes if it is empty. */
function makeRoom(held: HeldDirectory, path: string): void {
  for (const parent of parents(path)) {
    const stats = lstatSync(held.at(parent), { throwIfNoEntry: false })
    if (stats === undefined) return
    if (!stats.isDirectory()) return unlinkSync(held.at(parent))
  }
  const stats = lstatSync(held.at(path), { throwIfNoEntry: false })
  if (stats?.isDirectory()) removeEmptyDirectory(held, path, path)
}
