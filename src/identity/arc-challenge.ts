import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { dirname, isAbsolute, normalize } from 'node:path'

import { IdentityError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'

const LONGEST_CHALLENGE = 4096

/**
 * The file that a `Www-Authenticate` header names, if it is one that Arc's agent would name: an
 * absolute path, ending in `.key`, directly in `directory`. Anything else would have us read and
 * send a file of somebody else's choice.
 */
export function challengeFile(header: string | undefined, directory: string): string | undefined {
  const prefix = 'Basic realm='
  if (header?.startsWith(prefix) !== true) return undefined
  const path = header.slice(prefix.length)
  const isPlain = isAbsolute(path) && normalize(path) === path && path.endsWith('.key')
  return isPlain && dirname(path) === directory ? path : undefined
}

/**
 * The content of a challenge file, as it is. Rejects unless it is a regular file of at most 4096
 * bytes, of root or of its directory's owner, that not everybody may write; no link is followed.
 */
export async function readChallengeFile(path: string): Promise<Secret> {
  const { open, stat } = await import('node:fs/promises')
  let file: FileHandle | undefined
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const found = await file.stat()
    const directory = await stat(dirname(path))
    if (!found.isFile()) throw unfit(path, 'is no regular file')
    if (found.size > LONGEST_CHALLENGE) throw unfit(path, 'is longer than 4096 bytes')
    if (found.uid !== 0 && found.uid !== directory.uid) throw unfit(path, 'belongs to another user')
    if ((found.mode & 0o002) !== 0) throw unfit(path, 'may be written by everybody')
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(LONGEST_CHALLENGE),
      0,
      LONGEST_CHALLENGE,
      0,
    )
    const content = buffer.subarray(0, bytesRead)
    // It goes into a header as it is: a line break would end that header and begin another.
    if (!/^[\x20-\x7e]+$/.test(content.toString('latin1')))
      throw unfit(path, 'is empty or no plain text')
    return new Secret(content)
  } catch (cause) {
    throw cause instanceof IdentityError ? cause : unreadable(path, cause)
  } finally {
    await file?.close()
  }
}

function unfit(path: string, what: string): IdentityError {
  return new IdentityError('IDENTITY_REFUSED', `the challenge file ${path} ${what}`, {
    hint: `see who made it: ls -ln ${path}; azcmagent makes them root's, short and read-only`,
    facts: { path },
  })
}

function unreadable(path: string, cause: unknown): IdentityError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  const facts = { path, reason: code }
  if (code === 'EACCES' || code === 'EPERM') {
    return new IdentityError(
      'IDENTITY_REFUSED',
      `the challenge file ${path} may not be read (${code})`,
      {
        hint: 'add the user that runs this to the group himds: usermod -aG himds USER, then start it anew',
        facts,
        cause,
      },
    )
  }
  if (code === 'ELOOP') return unfit(path, 'is a symbolic link')
  return new IdentityError(
    'IDENTITY_NOT_READY',
    `the challenge file ${path} is gone or unreadable (${code})`,
    {
      hint: `mount ${dirname(path)} of the machine into this container, read-only`,
      retryable: true,
      facts,
      cause,
    },
  )
}
