import { accessSync, constants, lstatSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { Secret } from '../core/secret.ts'
import { holding, type HeldDirectory } from './held-directory.ts'
import type { Output, Published, Snapshot } from './output.ts'
import { outputFailure } from './output-failure.ts'
import { isAsWanted, lookForFile } from './volume-look.ts'
import { makeDirectory, removeEmptyDirectory, removeHalf, replaceFile } from './volume-write.ts'

export interface TokenFileOptions {
  /** Absolute. */
  readonly path: string
  /** `raw`: the JSON that Conjur issued. `base64`: the same, as the Authorization header takes it. */
  readonly encoding: 'raw' | 'base64'
  /**
   * `refuse`: a directory that is missing is made, and one that cannot be written is an error.
   * `leave-out`: there is no token file then; for the default path, which nobody asked for.
   */
  readonly whereUnwritable: 'refuse' | 'leave-out'
}

/** The access token as a file of its own, mode 0644, replaced by rename and never part of a set. */
export function tokenFile({ path, encoding, whereUnwritable }: TokenFileOptions): Output {
  return {
    name: 'access token file',
    async publish({ accessToken }: Snapshot, signal: AbortSignal) {
      signal.throwIfAborted()
      if (whereUnwritable === 'leave-out' && !canHoldToken(path)) return []
      const content =
        encoding === 'raw' ? accessToken : new Secret(accessToken.bytes().toString('base64'))
      try {
        makeDirectory(dirname(path))
        return holding(dirname(path), (held) => [replace(held, basename(path), content)])
      } catch (error) {
        throw outputFailure(error, dirname(path))
      }
    },
  }
}

/** Whether a token file could be written at this path without making a directory. */
export function canHoldToken(path: string): boolean {
  try {
    accessSync(dirname(path), constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

const MODE = 0o644

function replace(held: HeldDirectory, name: string, content: Secret): Published {
  const shown = { name, kind: 'token', values: 0, mode: MODE, bytes: content.length }
  removeHalf(held, name)
  if (isAsWanted(held, lookForFile(held, name), { content, mode: MODE })) {
    return { ...shown, state: 'same' }
  }
  if (lstatSync(held.at(name), { throwIfNoEntry: false })?.isDirectory()) {
    removeEmptyDirectory(held, name, 'the access token')
  }
  replaceFile(held, name, { content, mode: MODE })
  return { ...shown, state: 'written' }
}
