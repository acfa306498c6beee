import { existsSync } from 'node:fs'
import { Secret } from '../core/secret.ts'
import { PROVIDED, UPDATED } from '../core/status-names.ts'
import { holding, type HeldDirectory } from './held-directory.ts'
import { outputFailure } from './output-failure.ts'
import { lookForFile, readBytes } from './volume-look.ts'
import { removeHalf, replaceFile } from './volume-write.ts'

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
        holding(directory, (held) => {
          for (const name of [UNCHANGED_SCRIPT, PROVIDED, UPDATED]) removeHalf(held, name)
          placeScript(held)
          if (lookForFile(held, PROVIDED) === undefined) place(held, PROVIDED)
          else if (changed) place(held, UPDATED)
        })
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

function placeScript(held: HeldDirectory): void {
  const found = lookForFile(held, UNCHANGED_SCRIPT)
  // Not as text at once: Node ends the whole program if a file it reads so cannot be closed.
  const isSame = found && readBytes(held, UNCHANGED_SCRIPT).toString() === UNCHANGED
  if (isSame && (found.mode & 0o777) === 0o755) return
  replaceFile(held, UNCHANGED_SCRIPT, { content: new Secret(UNCHANGED), mode: 0o755 })
}

/** An empty file that says something by being there; applications may write here as well, and remove it. */
function place(held: HeldDirectory, name: string): void {
  replaceFile(held, name, { content: new Secret(''), mode: 0o666 })
}
