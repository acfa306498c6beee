import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { Secret } from '../core/secret.ts'
import { errorNumber } from './output-failure.ts'
import { canHoldToken, type TokenFileOptions } from './token-file.ts'

/** A token file that an earlier process left, or why what stands there does not count. */
export type FoundToken =
  | { readonly text: Secret; readonly writtenAt: number }
  | { readonly why: string }

const LARGEST_BYTES = 64 * 1024
const WRITABLE_BY_OTHERS = 0o022

/**
 * Looks for the access token where this process would write it itself. It counts only as the agent
 * leaves it: a regular file of our own user that nobody else may write, in a directory we may write.
 * Undefined where there is none.
 */
export function findToken({
  path,
  whereUnwritable,
}: Pick<TokenFileOptions, 'path' | 'whereUnwritable'>): FoundToken | undefined {
  if (whereUnwritable === 'leave-out' && !canHoldToken(path)) return undefined
  let file: number
  try {
    // Not waiting: whoever may write there could have put a pipe in its place.
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const reason = errorNumber(error)
    if (reason === undefined) throw error
    return reason === 'ENOENT' ? undefined : { why: `it cannot be opened: ${reason}` }
  }
  try {
    const { uid, mode, size, mtimeMs, isFile } = factsOf(file)
    if (!isFile) return { why: 'it is no regular file' }
    if (uid !== process.geteuid?.()) return { why: 'it belongs to another user' }
    if ((mode & WRITABLE_BY_OTHERS) !== 0) return { why: 'others may write it' }
    if (size > LARGEST_BYTES) return { why: 'it is larger than a token' }
    return { text: textOf(readFileSync(file)), writtenAt: mtimeMs }
  } finally {
    closeSync(file)
  }
}

function factsOf(file: number): {
  readonly uid: number
  readonly mode: number
  readonly size: number
  readonly mtimeMs: number
  readonly isFile: boolean
} {
  const stats = fstatSync(file)
  const { uid, mode, size, mtimeMs } = stats
  return { uid, mode, size, mtimeMs, isFile: stats.isFile() }
}

/** The JSON text, of a file in either encoding. */
function textOf(bytes: Buffer): Secret {
  const isJson = bytes.toString('latin1').trimStart().startsWith('{')
  return new Secret(isJson ? bytes : Buffer.from(bytes.toString('latin1'), 'base64'))
}
