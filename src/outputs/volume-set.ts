import { symlinkSync, unlinkSync } from 'node:fs'
import { Secret } from '../core/secret.ts'
import type { FileOutcome, FileSet, Publication, SetFile } from './file-set.ts'
import { holding, type HeldDirectory } from './held-directory.ts'
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
  makeParents,
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
export function publishSet(held: HeldDirectory, found: Found, set: FileSet): Publication {
  const kept = keptFiles(held, found, set)
  const unchanged = unchangedFiles(held, found, set)
  const plan = planSet(found, { files: set.files, keep: new Set(kept.keys()) }, unchanged)
  for (const name of [...plan.linksAfter, '..data']) {
    if (found.names.get(name)?.kind !== 'directory') continue
    removeEmptyDirectory(held, name, `a link to the published set`)
  }
  for (const name of plan.leftovers) removeUnpublished(held, name)
  const half = `${plan.next ?? found.current ?? ''}.tmp`
  const made: string[] = []
  try {
    if (plan.next !== undefined) {
      createDirectory(held, plan.next)
      made.push(plan.next)
      build(held, plan.next, { found, files: set.files, unchanged, kept })
    }
    held.within('.', (here) => {
      for (const name of plan.linksBefore) {
        symlinkSync(linkTarget(name), here.at(name))
        made.push(name)
      }
    })
    if (plan.next !== undefined) placeLink(held, { target: plan.next, half, path: '..data' })
  } catch (error) {
    for (const name of made) remove(held, name)
    throw error
  }
  for (const name of plan.linksAfter) {
    placeLink(held, { target: linkTarget(name), half, path: name })
  }
  for (const name of plan.unlink) unlinkSync(held.at(name))
  const { current } = found
  const isSuperseded = plan.next !== undefined && current !== undefined
  return {
    outcomes: outcomes(set, { found, unchanged, kept }),
    sweep: isSuperseded
      ? () => holding(held.directory, (later) => removeUnpublished(later, current))
      : undefined,
  }
}

/** Removes a set, unless another agent on the same volume has published it since it was looked at. */
function removeUnpublished(held: HeldDirectory, name: string): void {
  if (publishedSet(held) !== name) remove(held, name)
}

interface Compared {
  readonly found: Found
  /** Files of the current set that already are as wanted. */
  readonly unchanged: ReadonlySet<string>
  /** Files to keep that are there. */
  readonly kept: ReadonlyMap<string, FoundFile>
}

function keptFiles(
  held: HeldDirectory,
  found: Found,
  set: FileSet,
): ReadonlyMap<string, FoundFile> {
  const kept = new Map<string, FoundFile>()
  for (const path of set.keep) {
    const file = locate(held, found, path)
    if (file !== undefined) kept.set(path, file)
  }
  return kept
}

function unchangedFiles(held: HeldDirectory, found: Found, set: FileSet): ReadonlySet<string> {
  const paths = [...set.files].filter(([path, file]) =>
    isAsWanted(held, found.files.get(path), file),
  )
  return new Set(paths.map(([path]) => path))
}

function build(
  held: HeldDirectory,
  next: string,
  { found, files, unchanged, kept }: Compared & { readonly files: ReadonlyMap<string, SetFile> },
): void {
  const deep = [...files.keys(), ...kept.keys()].filter((path) => path.includes('/'))
  makeParents(
    held,
    deep.map((path) => `${next}/${path}`),
  )
  held.within(next, (here) => {
    for (const [path, file] of files) {
      const old = unchanged.has(path) ? found.files.get(path) : undefined
      if (old !== undefined && carry(held, old.place, `${next}/${path}`)) continue
      if (path.includes('/')) writeNewFile(held, `${next}/${path}`, file)
      else writeNewFile(here, path, file)
    }
  })
  for (const [path, { place, mode }] of kept) {
    const to = `${next}/${path}`
    if (carry(held, place, to)) continue
    writeNewFile(held, to, { content: new Secret(readBytes(held, place)), mode })
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
