import type { Agent } from './agent.ts'
import { StepFailed } from './until.ts'
import { files, temporaries } from './volume.ts'

/** How an agent ended that was asked to. */
export interface Ending {
  readonly ms: number
  readonly left: number
  readonly temporary: number
}

const GONE_WITHIN_MS = 1000

/** Stops an agent by SIGTERM and looks at what it leaves. Throws {@link StepFailed} where that is not as promised. */
export async function stopAgent(agent: Agent): Promise<Ending> {
  const ms = await agent.running.stop()
  const code = agent.running.exit()?.code
  const left = files(agent.secrets).length
  const temporary = temporaries(agent.secrets).length
  if (code !== 0) throw new StepFailed('stop', `the agent ends with ${code ?? 'a signal'}, not 0`)
  if (ms > GONE_WITHIN_MS)
    throw new StepFailed('stop', `the agent took ${Math.round(ms)} ms to end`)
  if (temporary > 0) throw new StepFailed('stop', `${temporary} temporary files are left`)
  return { ms, left, temporary }
}
