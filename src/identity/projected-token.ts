import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { IdentityError } from '../core/errors.ts'
import { readPlatformToken, type Clock, type IdentitySource, type PlatformToken } from './source.ts'

export interface ProjectedTokenOptions {
  /** Another name where the file holds another platform's token: it is read the same way. */
  readonly name?: string
  readonly path: string
  /** The setting that names the path, for hints. */
  readonly setting?: string
  readonly clock: Pick<Clock, 'now'>
}

/** A token that something else keeps in a file and renews there, as the kubelet does with a projected one. */
export function projectedToken(options: ProjectedTokenOptions): IdentitySource<PlatformToken> {
  const { path, clock, name = 'projected-token', setting = 'JWT_TOKEN_PATH' } = options
  return {
    name,
    watched: [path],
    async token(signal) {
      signal.throwIfAborted()
      const text = await readTokenFile(path, setting)
      return readPlatformToken(text, {
        from: path,
        now: clock.now(),
        hint: `have one JWT written there (a projected serviceAccountToken, for one), or name its path in ${setting}`,
      })
    },
  }
}

/** One byte more than the longest token: a file that fills it is refused for its length, unread. */
const READ_LIMIT = 16 * 1024 + 1

/**
 * The text of a file that holds a token. Rejects with IDENTITY_ABSENT where there is no such file,
 * with IDENTITY_REFUSED where it may not be read; the hint names `setting`.
 */
export async function readTokenFile(path: string, setting: string): Promise<string> {
  // The kubelet swaps `..data`, it never rewrites the token file: an open handle would keep
  // reading the old token. Hence a fresh open for each authentication.
  try {
    return statSync(path).isFile() ? readNow(path) : await readLater(path)
  } catch (cause) {
    throw unreadable({ path, setting, cause })
  }
}

/** A regular file is there at once, and no thread need be woken for it. */
function readNow(path: string): string {
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(READ_LIMIT)
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, READ_LIMIT, 0))
  } finally {
    closeSync(file)
  }
}

/** What might keep us waiting, a pipe say, must not keep a signal waiting too (P7). */
async function readLater(path: string): Promise<string> {
  const { open } = await import('node:fs/promises')
  const file = await open(path, 'r')
  try {
    const buffer = Buffer.alloc(READ_LIMIT)
    let length = 0
    // A pipe knows no positions, and gives its bytes piece by piece.
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, READ_LIMIT - length, null)
      if (bytesRead === 0) return buffer.toString('utf8', 0, length)
      length += bytesRead
    }
  } finally {
    await file.close()
  }
}

function unreadable(about: { path: string; setting: string; cause: unknown }): IdentityError {
  const { path, setting, cause } = about
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  const details = { cause, facts: { path, setting, reason: code } }
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new IdentityError('IDENTITY_ABSENT', `there is no token file ${path}`, {
        ...details,
        hint: `mount the token there, or name its path in ${setting} (ls -l ${path})`,
      })
    case 'EACCES':
    case 'EPERM':
      return new IdentityError(
        'IDENTITY_REFUSED',
        `the token file ${path} may not be read (${code})`,
        {
          ...details,
          hint: `let this user read it: set the pod's securityContext.fsGroup (ls -ln ${path}; id)`,
        },
      )
    default:
      return new IdentityError(
        'IDENTITY_MALFORMED',
        `the token file ${path} cannot be read (${code})`,
        {
          ...details,
          hint: `${setting} must name a file that holds one JWT (ls -l ${path})`,
          retryable: true,
        },
      )
  }
}
