import type { SimulatedAzure } from './azure.ts'
import type { Conjur } from './conjur.ts'
import type { SimulatedKubernetes } from './kubernetes.ts'
import type { Values } from './policy.ts'
import type { Program, Running } from './running.ts'
import type { Screen } from './screen.ts'

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
