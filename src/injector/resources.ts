import { shown, type Notes } from './annotation-notes.ts'
import { parseQuantity } from './quantity.ts'
import { CEILING, type AgentResources } from './settings.ts'

/** What the agent may use: the administrator's defaults, changed by the pod within the ceiling. */
export function readResources(usual: AgentResources, notes: Notes): AgentResources {
  const read = (name: string, kind: 'cpu' | 'memory'): string | undefined => {
    const value = notes.text(name)
    if (value === undefined) return undefined
    const why = unfitQuantity(value, kind)
    if (why !== undefined) notes.refused(name, `"${shown(value)}" ${why}`)
    return why === undefined ? value : undefined
  }
  const cpu = read('agent-limits-cpu', 'cpu') ?? usual.limits.cpu
  const resources = {
    requests: {
      cpu: read('agent-requests-cpu', 'cpu') ?? usual.requests.cpu,
      memory: read('agent-requests-memory', 'memory') ?? usual.requests.memory,
    },
    limits: {
      ...(cpu === undefined ? {} : { cpu }),
      memory: read('agent-limits-memory', 'memory') ?? usual.limits.memory,
    },
  }
  for (const kind of ['cpu', 'memory'] as const) {
    const limit = resources.limits[kind]
    const request = resources.requests[kind]
    if (limit !== undefined && (parseQuantity(request) ?? 0) > (parseQuantity(limit) ?? 0)) {
      const what = `the request ${request} is above the limit ${limit}`
      notes.refused(
        notes.text(`agent-requests-${kind}`) ? `agent-requests-${kind}` : `agent-limits-${kind}`,
        what,
      )
    }
  }
  return resources
}

/** Why a quantity cannot be a request or limit of the agent: the end of a sentence that begins with it. */
export function unfitQuantity(value: string, kind: 'cpu' | 'memory'): string | undefined {
  const amount = parseQuantity(value)
  const most = kind === 'cpu' ? '500m' : '256Mi'
  if (amount === undefined) return `is no quantity such as ${most}`
  return amount > CEILING[kind] ? `is above ${most}, the most an agent may have` : undefined
}

/** The size of the memory volume for secrets. */
export function readSizeLimit(usual: string, { text, refused }: Notes): string {
  const value = text('secrets-size-limit')
  if (value === undefined) return usual
  const why = unfitQuantity(value, 'memory')
  if (why !== undefined) refused('secrets-size-limit', `"${shown(value)}" ${why}`)
  return why === undefined ? value : usual
}
