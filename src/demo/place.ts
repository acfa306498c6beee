import { accessSync, constants } from 'node:fs'
import { mkdtemp, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A directory of the demo's own. */
export interface Place {
  readonly directory: string
  /** Whether it is in memory, as the agent's volume is in a pod. */
  readonly inMemory: boolean
}

const TMPFS = 0x01021994

/** Makes a directory in memory where this machine lets us, else among the temporary files. */
export async function makePlace(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Place> {
  for (const parent of [environment['XDG_RUNTIME_DIR'] ?? '', '/dev/shm']) {
    if (parent !== '' && (await isInMemory(parent))) {
      return { directory: await mkdtemp(join(parent, 'conjur-demo-')), inMemory: true }
    }
  }
  return { directory: await mkdtemp(join(tmpdir(), 'conjur-demo-')), inMemory: false }
}

async function isInMemory(parent: string): Promise<boolean> {
  try {
    accessSync(parent, constants.W_OK | constants.X_OK)
    const { type } = await statfs(parent)
    return type === TMPFS
  } catch {
    return false
  }
}
