import type { AgentError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'

/**
 * What one pass knows, for every output alike.
 *
 * A variable that was asked for is in `values`, or in `unknown`, or in neither: then the server
 * said for certain, and twice, that there is none for us (P4), and its entry may go.
 */
export interface Snapshot {
  /** The access token's JSON text. */
  readonly accessToken: Secret
  /** By variable id. */
  readonly values: ReadonlyMap<string, Secret>
  /** Every variable that the host can see, where somebody asked for all and the answer is certain. */
  readonly listed?: readonly string[]
  /** Variables of which nothing certain was learnt: what an output holds of them stays as it is. */
  readonly unknown: ReadonlySet<string>
}

/** What became of one file, Secret or token in a pass. */
export interface Published {
  /** The name a report shows: a file's path relative to its directory. */
  readonly name: string
  /** The format, or `token`. */
  readonly kind: string
  /** How many values it holds. */
  readonly values: number
  /** The permission bits of a file. */
  readonly mode?: number
  readonly bytes?: number
  /** written: new or changed · same: nothing touched · kept: left as it was · removed · missing: never written yet. */
  readonly state: 'written' | 'same' | 'kept' | 'removed' | 'missing'
  /** Why this one was left as it was although its values are known; the others were published. */
  readonly error?: AgentError
  /** What an operator should hear once, such as a value that is not the base64 it was said to be. */
  readonly notes?: readonly string[]
}

/**
 * Something that receives what a pass brought.
 *
 * What goes wrong for one file or Secret alone stands in its `error`, and the others go on; what
 * concerns the whole output rejects with an OutputError and leaves the last good state. Aborting
 * `signal` before the decisive step does the same.
 */
export interface Output {
  readonly name: string
  publish(snapshot: Snapshot, signal: AbortSignal): Promise<readonly Published[]>
  /** What stands there, `kept` or `missing`, for a pass that learnt nothing; absent where it takes more than a look. */
  standing?(): readonly Published[]
}
