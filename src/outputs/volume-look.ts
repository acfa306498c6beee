import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
} from 'node:fs'
import type { SetFile } from './file-set.ts'
import type { HeldDirectory } from './held-directory.ts'
import { errorNumber } from './output-failure.ts'

/** A name in the secrets directory, not followed. */
export type FoundName =
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'file' | 'directory' | 'other' }

/** A regular file: where it is in the secrets directory, its permission bits and its size in bytes. */
export interface FoundFile {
  readonly place: string
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
export function look(held: HeldDirectory): Found {
  const names = new Map(
    readdirSync(held.at('.')).map((name) => [name, lookAt(held, name)] as const),
  )
  const data = names.get('..data')
  const current = data?.kind === 'link' ? data.target : ''
  const files = new Map<string, FoundFile>()
  if (!SET_NAME.test(current) || names.get(current)?.kind !== 'directory') {
    return { names, current: undefined, files, isTidy: true }
  }
  const isTidy = walk(held, `${current}/`, files)
  return { names, current, files, isTidy }
}

/** The name that `..data` leads to at this moment. */
export function publishedSet(held: HeldDirectory): string | undefined {
  const data = lookAt(held, '..data')
  return data.kind === 'link' ? data.target : undefined
}

/** A file as it is on the volume: in the published set, else plainly in the directory. */
export function locate(held: HeldDirectory, found: Found, path: string): FoundFile | undefined {
  return found.files.get(path) ?? lookForFile(held, path)
}

/** A regular file that is reached through real directories alone. */
export function lookForFile(held: HeldDirectory, path: string): FoundFile | undefined {
  try {
    const stats = lstatSync(held.at(path), { throwIfNoEntry: false })
    if (!stats?.isFile()) return undefined
    return { place: path, mode: stats.mode & 0o7777, bytes: stats.size }
  } catch (error) {
    if (!NO_WAY.includes(errorNumber(error) ?? '')) throw error
    return undefined
  }
}

/** What the system says of a path on which a directory is missing, or is something else. */
const NO_WAY: readonly string[] = ['ENOENT', 'ENOTDIR']

/** Whether a found file already is as wanted: mode, size, then every byte. */
export function isAsWanted(
  held: HeldDirectory,
  found: FoundFile | undefined,
  wanted: SetFile,
): boolean {
  if (found?.mode !== wanted.mode || found.bytes !== wanted.content.length) return false
  try {
    return readBytes(held, found.place).equals(wanted.content.bytes())
  } catch (error) {
    // What we may not read, or what has just gone, is written anew.
    if (errorNumber(error) === undefined) throw error
    return false
  }
}

/** The bytes of a file; a link in its place is an error, and a pipe that nobody writes to is empty. */
export function readBytes(held: HeldDirectory, path: string): Buffer {
  const file = openSync(
    held.at(path),
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  )
  try {
    return readFileSync(file)
  } finally {
    closeSync(file)
  }
}

function lookAt(held: HeldDirectory, name: string): FoundName {
  const stats = lstatSync(held.at(name), { throwIfNoEntry: false })
  if (stats?.isSymbolicLink()) return { kind: 'link', target: readlinkSync(held.at(name)) }
  if (stats?.isDirectory()) return { kind: 'directory' }
  return { kind: stats?.isFile() ? 'file' : 'other' }
}

/** Notes the files below a place such as `..3/` or `..3/sub/`, by their path in the set. */
function walk(held: HeldDirectory, prefix: string, files: Map<string, FoundFile>): boolean {
  let isTidy = (lstatSync(held.at(`${prefix}.`)).mode & 0o7777) === 0o755
  for (const name of readdirSync(held.at(`${prefix}.`))) {
    const place = prefix + name
    const stats = lstatSync(held.at(place))
    if (stats.isFile()) {
      const path = place.slice(place.indexOf('/') + 1)
      files.set(path, { place, mode: stats.mode & 0o7777, bytes: stats.size })
    } else if (!stats.isDirectory() || !walk(held, `${place}/`, files)) {
      isTidy = false
    }
  }
  return isTidy
}
