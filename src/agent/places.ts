import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import type { AgentConfig } from '../config/load.ts'
import { canHoldToken } from '../outputs/token-file.ts'
import { volumeFacts } from '../outputs/volume-facts.ts'

/** What the log says once of the places that are written: a token file left out, a volume on a disk. */
export function tellPlaces(config: AgentConfig, log: Logger): void {
  const { path, whereUnwritable } = config.accessTokenFile
  if (whereUnwritable === 'leave-out' && !canHoldToken(path)) {
    const line = `no access token file: ${dirname(path)} is not there or not writable`
    log.info({ code: 'TOKEN_FILE_LEFT_OUT', path }, line)
  }
  const writesFiles = config.groups.length > 0 && config.kubernetesSecrets === undefined
  if (!writesFiles || config.requireTmpfs !== 'warn') return
  const { secretsDirectory: directory } = config
  if (volumeFacts(existing(directory)).fileSystem !== 'other') return
  const line = `${directory} is not in memory: secrets may reach a disk; mount an emptyDir with medium: Memory there`
  log.warn({ code: 'OUTPUT_NOT_TMPFS', directory }, line)
}

/** The directory itself, or the nearest one above it: there it will be made. */
function existing(directory: string): string {
  return existsSync(directory) || dirname(directory) === directory
    ? directory
    : existing(dirname(directory))
}
