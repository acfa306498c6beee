import { symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Secret } from '../core/secret.ts'
import type { FileOutcome, FileSet, Publication, SetFile } from './file-set.ts'
import {
  isAsWanted,
  locate,
  publishedSet,
  readBytes,
  type Found,
  type FoundFile,
} from './volume-look.ts'
import { linkTarget, planSet } from './volume-plan.ts'
import {
  carry,
  createDirectory,
  placeLink,
  remove,
  removeEmptyDirectory,
  writeNewFile,
} from './volume-write.ts'

/**
 * Publishes a set by one swap, as the kubelet does for ConfigMaps.
 *
 * The files stand in a directory `..N`, `..data` leads to it, and every name that an application
 * opens is a link through `..data`. Renaming a new `..data` over the old one is the decisive step:
 * a failure or a kill before it leaves the old set, one after it the new.
 */
export function publishSet(directory: string, found: Found, set: FileSet): Publication {
  const kept = keptFiles(directory, found, set)
  const unchanged = unchangedFiles(found, set)
  const plan = planSet(found, { files: set.files, keep: new Set(kept.keys()) }, unchanged)
  for (const name of [...plan.linksAfter, '..data']) {
    if (found.names.get(name)?.kind !== 'directory') continue
    removeEmptyDirectory(join(directory, name), `a link to the published set`)
  }
  for (const name of plan.leftovers) removeUnpublished(directory, name)
  const half = join(directory, `${plan.next ?? found.current ?? ''}.tmp`)
  const made: string[] = []
  try {
    if (plan.next !== undefined) {
      createDirectory(join(directory, plan.next))
      made.push(plan.next)
      build(join(directory, plan.next), { found, files: set.files, unchanged, kept })
    }
    for (const name of plan.linksBefore) {
      symlinkSync(linkTarget(name), join(directory, name))
      made.push(name)
    }
    if (plan.next !== undefined) placeLink(plan.next, half, join(directory, '..data'))
  } catch (error) {
    for (const name of made) remove(join(directory, name))
    throw error
  }
  for (const name of plan.linksAfter) placeLink(linkTarget(name), half, join(directory, name))
  for (const name of plan.unlink) unlinkSync(join(directory, name))
  const superseded = plan.next === undefined ? undefined : found.current
  return {
    outcomes: outcomes(set, { found, unchanged, kept }),
    sweep: superseded === undefined ? undefined : () => removeUnpublished(directory, superseded),
  }
}

/** Removes a set, unless another agent on the same volume has published it since it was looked at. */
function removeUnpublished(directory: string, name: string): void {
  if (publishedSet(directory) !== name) remove(join(directory, name))
}

interface Compared {
  readonly found: Found
  /** Files of the current set that already are as wanted. */
  readonly unchanged: ReadonlySet<string>
  /** Files to keep that are there. */
  readonly kept: ReadonlyMap<string, FoundFile>
}

function keptFiles(directory: string, found: Found, set: FileSet): ReadonlyMap<string, FoundFile> {
  const kept = new Map<string, FoundFile>()
  for (const path of set.keep) {
    const file = locate(directory, found, path)
    if (file !== undefined) kept.set(path, file)
  }
  return kept
}

function unchangedFiles(found: Found, set: FileSet): ReadonlySet<string> {
  const paths = [...set.files].filter(([path, file]) => isAsWanted(found.files.get(path), file))
  return new Set(paths.map(([path]) => path))
}

function build(
  next: string,
  { found, files, unchanged, kept }: Compared & { readonly files: ReadonlyMap<string, SetFile> },
): void {
  for (const [path, file] of files) {
    const old = unchanged.has(path) ? found.files.get(path) : undefined
    if (old === undefined || !carry(old.at, next, path)) writeNewFile(next, path, file)
  }
  for (const [path, { at, mode }] of kept) {
    if (carry(at, next, path)) continue
    writeNewFile(next, path, { content: new Secret(readBytes(at)), mode })
  }
}

function outcomes(
  set: FileSet,
  { found, unchanged, kept }: Compared,
): ReadonlyMap<string, FileOutcome> {
  const all = new Map<string, FileOutcome>()
  for (const path of found.files.keys()) all.set(path, { state: 'removed' })
  for (const path of set.keep) {
    const file = kept.get(path)
    all.set(
      path,
      file ? { state: 'kept', mode: file.mode, bytes: file.bytes } : { state: 'missing' },
    )
  }
  for (const [path, { content, mode }] of set.files) {
    const state = unchanged.has(path) ? 'same' : 'written'
    all.set(path, { state, mode, bytes: content.length })
  }
  return all
}
