import type { AgentConfig } from './load.ts'
import { problemOf, type Note, type Problem } from './problems.ts'
import type { Take } from './reader.ts'
import { settings } from './settings.ts'
import type { Sources } from './sources.ts'

interface IdleContext {
  readonly mode: AgentConfig['mode']
  readonly found: Sources
  readonly problems: Problem[]
  readonly notes: Note[]
  /** Why this process could not hibernate; undefined if it could. */
  readonly unfit: () => string | undefined
}

/** What an agent does between passes; where it hibernates, whatever stands in the way is a problem. */
export function readIdle(
  take: Take,
  { mode, found, problems, notes, unfit }: IdleContext,
): AgentConfig['idle'] {
  const idle = take(settings.idle)
  const [raw] = found.settings.get('idle') ?? []
  if (idle === 'stay' || raw === undefined) return 'stay'
  // A pod's annotation is read by its init container too.
  if (mode === 'init' || mode === 'application') return 'stay'
  const why =
    mode === 'standalone'
      ? 'hibernate is for a sidecar: a standalone agent holds a Lease and watches; write stay'
      : unfit()
  if (why !== undefined) problems.push(problemOf(raw, why))
  for (const name of ['statusListen', 'metricsListen'] as const) {
    const [port] = found.settings.get(name) ?? []
    if (port === undefined || port.value === 'off') continue
    const text = `${port.name} has no effect: who hibernates serves nothing; conjur-agent status reads the status document`
    notes.push({ level: 'info', text })
  }
  return 'hibernate'
}
