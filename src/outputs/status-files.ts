import { chmodSync, existsSync, lstatSync, renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Secret } from '../core/secret.ts'
import { PROVIDED, UPDATED } from '../core/status-names.ts'
import { outputFailure } from './output-failure.ts'
import { readBytes } from './volume-look.ts'
import { remove, writeNewFile } from './volume-write.ts'

/** The files by which scripts written for secrets-provider-for-k8s know how far it is. */
export interface StatusFiles {
  /**
   * To be told of each pass after which everything is published: the first makes
   * CONJUR_SECRETS_PROVIDED, a later one that changed something makes CONJUR_SECRETS_UPDATED anew.
   * Throws an OutputError.
   */
  provided(pass: { readonly changed: boolean }): void
}

/** Status files in a directory; where that is not mounted there are none. */
export function statusFiles(directory: string): StatusFiles {
  return {
    provided({ changed }) {
      if (!existsSync(directory)) return
      try {
        for (const name of [UNCHANGED_SCRIPT, PROVIDED, UPDATED])
          remove(halfOf(join(directory, name)))
        placeScript(join(directory, UNCHANGED_SCRIPT))
        if (!isFile(join(directory, PROVIDED))) place(join(directory, PROVIDED), '', 0o666)
        else if (changed) place(join(directory, UPDATED), '', 0o666)
      } catch (error) {
        throw outputFailure(error, directory)
      }
    },
  }
}

const UNCHANGED_SCRIPT = 'conjur-secrets-unchanged.sh'

/** Run by the application's liveness probe, in its container and by its shell. */
const UNCHANGED = `#!/bin/sh
# Fails once after the secrets have changed.
cd "$(dirname "$0")" || exit 0
[ -f ${UPDATED} ] || exit 0
rm -f ${UPDATED}
exit 1
`

function placeScript(path: string): void {
  // Not as text at once: Node ends the whole program if a file it reads so cannot be closed.
  const isSame = isFile(path) && readBytes(path).toString() === UNCHANGED
  if (!isSame) place(path, UNCHANGED, 0o755)
  else if ((lstatSync(path).mode & 0o777) !== 0o755) chmodSync(path, 0o755)
}

/** Applications may write here as well: the new file takes the name by rename, and no link is followed. */
function place(path: string, text: string, mode: number): void {
  const half = halfOf(path)
  try {
    writeNewFile(dirname(half), basename(half), { content: new Secret(text), mode })
    renameSync(half, path)
  } catch (error) {
    remove(half)
    throw error
  }
}

/** Under this name a kill may leave a file; the next pass removes it. */
function halfOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp`)
}

function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}
