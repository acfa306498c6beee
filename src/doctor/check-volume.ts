import { dirname } from 'node:path'
import type { PartialConfig } from '../config/load.ts'
import { OutputError } from '../core/errors.ts'
import { volumeFacts } from '../outputs/volume-facts.ts'
import { degraded, failed, passed, type Finding } from './report.ts'

/**
 * Looks at the directory that takes the secrets, and writes nothing: whether it is writable is
 * what access(2) says, which knows modes, groups and read-only mounts.
 */
export function checkVolume(config: PartialConfig): Finding {
  const { groups, secretsDirectory, accessTokenFile } = config
  if (groups.length === 0 && accessTokenFile.whereUnwritable === 'leave-out') {
    return passed('no file is asked for')
  }
  const directory = groups.length === 0 ? dirname(accessTokenFile.path) : secretsDirectory
  const setting = groups.length === 0 ? 'CONJUR_AUTHN_TOKEN_FILE' : 'CONJUR_SECRETS_DIRECTORY'
  const { fileSystem, isWritable, freeBytes } = volumeFacts(directory)
  const facts = { directory, fileSystem, isWritable, freeBytes }
  const mount = `mount an emptyDir with medium: Memory at ${directory}`
  if (fileSystem === 'absent') {
    return failed(
      new OutputError('OUTPUT_UNWRITABLE', `there is no directory ${directory}`, {
        hint: `${mount} in this container, or name another one in ${setting}`,
        facts,
      }),
    )
  }
  if (!isWritable) {
    return failed(
      new OutputError('OUTPUT_UNWRITABLE', `${directory} cannot be written by this process`, {
        hint: `ls -ldn ${directory}; id: mount it without readOnly, and let securityContext.fsGroup own it`,
        facts,
      }),
    )
  }
  if (freeBytes === 0) {
    return failed(
      new OutputError('OUTPUT_FULL', `${directory} is full`, {
        hint: `df -h ${directory}; raise the volume's sizeLimit`,
        facts,
      }),
    )
  }
  const room = `writable, ${size(freeBytes)} free`
  if (fileSystem !== 'other') return passed(`${directory}: ${fileSystem}, ${room}`, facts)
  switch (config.requireTmpfs) {
    case 'true':
      return failed(
        new OutputError(
          'OUTPUT_NOT_TMPFS',
          `${directory} is not in memory, and requireTmpfs is true`,
          {
            hint: `${mount}, or set CONJUR_REQUIRE_TMPFS=warn`,
            facts,
          },
        ),
      )
    case 'warn':
      return degraded(`${directory}: a disk, not memory; ${room}`, {
        hint: `${mount}, or set CONJUR_REQUIRE_TMPFS=false where that is intended`,
        code: 'OUTPUT_NOT_TMPFS',
        facts,
      })
    case 'false':
      return passed(`${directory}: a disk, as CONJUR_REQUIRE_TMPFS=false allows; ${room}`, facts)
    default:
      return config.requireTmpfs satisfies never
  }
}

function size(bytes: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ]
  const [unit, factor] = units.find(([, factor]) => bytes >= factor) ?? ['bytes', 1]
  return `${Math.floor(bytes / factor)} ${unit}`
}
