import type { Agent } from './agent.ts'
import type { SimulatedAzure } from './azure.ts'
import type { Conjur } from './conjur.ts'
import type { SimulatedKubernetes } from './kubernetes.ts'
import type { Values } from './policy.ts'
import { modeText } from './tree.ts'
import type { Program, Running } from './running.ts'
import type { Screen } from './screen.ts'
import { StepFailed } from './until.ts'
import { files, lookAt, temporaries } from './volume.ts'

/** What every scene is played on. */
export interface Stage {
  readonly screen: Screen
  readonly program: Program
  readonly conjur: Conjur
  readonly kubernetes: SimulatedKubernetes
  readonly azure: SimulatedAzure
  /** What the variables hold at first. */
  readonly values: Values
  /** A directory for all of it. */
  readonly directory: string
  /** What processes inherit. */
  readonly environment: Readonly<Record<string, string>>
  /** Told of every process that is started. */
  readonly started: (running: Running) => void
  readonly signal: AbortSignal
}

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

/** The files of an agent on one line, with sizes and modes; never a value. */
export function listFiles(secrets: string): string {
  const shown = [...lookAt(secrets).values()].filter(({ target }) => target === undefined)
  return shown.map(({ name, bytes, mode }) => `${name} ${bytes} bytes ${modeText(mode)}`).join(', ')
}

/** `1 login`, `2 logins`. */
export function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}

/** Milliseconds as seconds with one digit, such as `0.2 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
