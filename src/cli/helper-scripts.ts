import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Invocation } from '../core/invocation.ts'
import { PROVIDED, UPDATED } from '../core/status-names.ts'

const POLL_MS = 200

/**
 * The work of the incumbent's helper scripts. In the image they are files whose first line names
 * this program, since there is no shell to run them; the kernel adds the script's own path.
 */
export async function helperScript({ command, environment }: Invocation): Promise<number> {
  const directory = environment['CONJUR_STATUS_DIRECTORY'] || '/conjur/status'
  if (command === 'secrets-provided') {
    while (!existsSync(join(directory, PROVIDED))) await delay(POLL_MS)
    return 0
  }
  const updated = join(directory, UPDATED)
  if (!existsSync(updated)) return 0
  rmSync(updated, { force: true })
  return 1
}
