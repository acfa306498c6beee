import { existsSync } from 'node:fs'
import { readConfig } from '../config/load.ts'
import { configError } from '../config/problems.ts'
import type { Given } from '../config/sources.ts'
import { checkGroup } from '../outputs/check-groups.ts'
import { viewOf } from './connection-view.ts'
import type { Known } from './known.ts'
import { degraded, failed, passed, type Finding } from './report.ts'

/** Reads the configuration as the agent would. */
export async function checkConfiguration(
  given: Given,
  connection: string | undefined,
): Promise<[Finding, Known]> {
  const read = await readConfig({ ...given, templateExists: existsSync, checkGroup })
  const { problems, notes } = read
  const config = read.config && viewOf(read.config, connection)
  const partial = viewOf(read.partial, connection)
  if (config === undefined) return [failed(configError(problems)), { partial }]
  const { counts } = config
  const parts = [
    `${counts.environment} environment`,
    `${counts.annotation} ${counts.annotation === 1 ? 'annotation' : 'annotations'}`,
    `${counts.file} file`,
    `${counts.flag} ${counts.flag === 1 ? 'flag' : 'flags'}`,
  ].filter((part) => !part.startsWith('0 '))
  const all = counts.environment + counts.annotation + counts.file + counts.flag
  const others =
    connection === undefined && config.connections.length > 0
      ? `; --connection looks at ${config.connections.map(({ name }) => name).join(', ')}`
      : ''
  const message = `${all} ${all === 1 ? 'setting' : 'settings'}: ${parts.join(', ')}${others}`
  const known = { config, partial }
  const warnings = notes.filter(({ level }) => level === 'warn').map(({ text }) => text)
  if (warnings.length === 0) return [passed(message, { ...counts }), known]
  return [
    degraded(message, {
      lines: warnings,
      hint: 'conjur-agent help settings lists the names that mean something',
      facts: { ...counts },
    }),
    known,
  ]
}
