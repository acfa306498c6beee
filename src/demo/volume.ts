import { lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** One name in a directory of secrets, as an application finds it. */
export interface VolumeEntry {
  readonly name: string
  /** Where `..data` leads; of the other names undefined. */
  readonly target?: string
  readonly bytes: number
  readonly mode: number
  /** Differs as soon as the file behind the name is another one, or was written to. */
  readonly version: string
}

/** What an application sees of a directory of secrets, by name; the numbered directories are left out. */
export function lookAt(directory: string): ReadonlyMap<string, VolumeEntry> {
  const seen = new Map<string, VolumeEntry>()
  for (const name of names(directory)) {
    const path = join(directory, name)
    try {
      if (lstatSync(path).isDirectory()) continue
      const { ino, mtimeMs, size, mode } = statSync(path)
      const target = name === '..data' ? { target: readlinkSync(path) } : {}
      const version = `${ino} ${mtimeMs}`
      seen.set(name, { name, ...target, bytes: size, mode: mode & 0o777, version })
    } catch {
      // It was replaced while we looked: the next look finds it.
    }
  }
  return seen
}

/** What is left of writing, and no file of the set: nothing, if all went well. */
export function temporaries(directory: string): readonly string[] {
  const current = lookAt(directory).get('..data')?.target
  return names(directory).filter(
    (name) => name.startsWith('.') && name !== '..data' && name !== current,
  )
}

/** The files an application opens: every name but `..data`. */
export function files(directory: string): readonly string[] {
  return [...lookAt(directory).keys()].filter((name) => !name.startsWith('.'))
}

function names(directory: string): readonly string[] {
  try {
    return readdirSync(directory).toSorted()
  } catch {
    return []
  }
}
