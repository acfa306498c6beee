import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import type { SetFile } from './file-set.ts'
import { errorNumber } from './output-failure.ts'
import { parents } from './relative-path.ts'

/** A name in the secrets directory, not followed. */
export type FoundName =
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'file' | 'directory' | 'other' }

/** A regular file: where it is, its permission bits and its size in bytes. */
export interface FoundFile {
  readonly at: string
  readonly mode: number
  readonly bytes: number
}

/** What stands in a secrets directory. */
export interface Found {
  readonly names: ReadonlyMap<string, FoundName>
  /** The dot-directory that `..data` leads to, such as `..3`; undefined while nothing is published. */
  readonly current: string | undefined
  /** The regular files of the current set, by path. */
  readonly files: ReadonlyMap<string, FoundFile>
  /** False where the current set holds anything but files and directories of mode 0755. */
  readonly isTidy: boolean
}

/** The name of a set's directory. */
export const SET_NAME = /^\.\.\d{1,15}$/

/** Looks at a secrets directory without following a link. */
export function look(directory: string): Found {
  const names = new Map(
    readdirSync(directory).map((name) => [name, lookAt(join(directory, name))] as const),
  )
  const data = names.get('..data')
  const current = data?.kind === 'link' ? data.target : ''
  const files = new Map<string, FoundFile>()
  if (!SET_NAME.test(current) || names.get(current)?.kind !== 'directory') {
    return { names, current: undefined, files, isTidy: true }
  }
  const isTidy = walk(join(directory, current), '', files)
  return { names, current, files, isTidy }
}

/** The same, for a directory that need not be there. */
export function lookOrNothing(directory: string): Found {
  try {
    return look(directory)
  } catch (error) {
    if (errorNumber(error) !== 'ENOENT') throw error
    return { names: new Map(), current: undefined, files: new Map(), isTidy: true }
  }
}

/** The name that `..data` leads to at this moment. */
export function publishedSet(directory: string): string | undefined {
  const data = lookAt(join(directory, '..data'))
  return data.kind === 'link' ? data.target : undefined
}

/** A file as it is on the volume: in the published set, else plainly in the directory. */
export function locate(directory: string, found: Found, path: string): FoundFile | undefined {
  return found.files.get(path) ?? lookForFile(directory, path)
}

/** A regular file below `directory` that is reached through real directories alone. */
export function lookForFile(directory: string, path: string): FoundFile | undefined {
  for (const parent of parents(path)) {
    if (!lstatSync(join(directory, parent), { throwIfNoEntry: false })?.isDirectory()) {
      return undefined
    }
  }
  const at = join(directory, path)
  const stats = lstatSync(at, { throwIfNoEntry: false })
  return stats?.isFile() ? { at, mode: stats.mode & 0o7777, bytes: stats.size } : undefined
}

/** Whether a found file already is as wanted: mode, size, then every byte. */
export function isAsWanted(found: FoundFile | undefined, wanted: SetFile): boolean {
  if (found?.mode !== wanted.mode || found.bytes !== wanted.content.length) return false
  try {
    return readBytes(found.at).equals(wanted.content.bytes())
  } catch (error) {
    // What we may not read, or what has just gone, is written anew.
    if (errorNumber(error) === undefined) throw error
    return false
  }
}

/** The bytes of a file; a link in its place is an error. */
export function readBytes(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    return readFileSync(file)
  } finally {
    closeSync(file)
  }
}

function lookAt(path: string): FoundName {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats?.isSymbolicLink()) return { kind: 'link', target: readlinkSync(path) }
  if (stats?.isDirectory()) return { kind: 'directory' }
  return { kind: stats?.isFile() ? 'file' : 'other' }
}

function walk(directory: string, prefix: string, files: Map<string, FoundFile>): boolean {
  let isTidy = (lstatSync(directory).mode & 0o7777) === 0o755
  for (const name of readdirSync(directory)) {
    const at = join(directory, name)
    const stats = lstatSync(at)
    if (stats.isFile()) {
      files.set(prefix + name, { at, mode: stats.mode & 0o7777, bytes: stats.size })
    } else if (!stats.isDirectory() || !walk(at, `${prefix}${name}/`, files)) {
      isTidy = false
    }
  }
  return isTidy
}
