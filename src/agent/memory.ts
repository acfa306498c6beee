import type { AccessToken } from '../conjur/access-token.ts'
import type { Outcome } from '../conjur/retrieve.ts'
import type { Secret } from '../core/secret.ts'
import type { Snapshot } from '../outputs/output.ts'
import type { Moment } from './clock.ts'

/** An access token and when it came. */
export interface HeldToken {
  readonly token: AccessToken
  readonly received: Moment
  /** True while it was taken from a file and Conjur has not been shown it. */
  readonly isUntested?: boolean
}

/** What one pass leaves for the next. */
export interface Memory {
  readonly held: HeldToken | undefined
  /** The last good value of each variable. */
  readonly values: ReadonlyMap<string, Secret>
  /** In how many passes running the server said of a variable that there is none for us. */
  readonly refusals: ReadonlyMap<string, number>
  /** Epoch milliseconds at which values end, as far as Conjur was asked for that. */
  readonly expiries: readonly number[]
}

export const emptyMemory: Memory = {
  held: undefined,
  values: new Map(),
  refusals: new Map(),
  expiries: [],
}

/** So many typed answers, in passes running, take a value away (P4). */
export const DECISIVE_REFUSALS = 2

export interface LearnRules {
  /** Whether the server has shown in this pass that it is Conjur. */
  readonly proven: boolean
  /** Whether a withdrawn value may go at all. */
  readonly removeDeleted: boolean
}

/**
 * What is known after a pass. A value replaces the old one. A typed refusal takes it away when it
 * comes twice and from Conjur itself; anything else leaves what was known.
 */
export function learn(
  memory: Memory,
  outcomes: ReadonlyMap<string, Outcome>,
  { proven, removeDeleted }: LearnRules,
): Memory {
  const values = new Map(memory.values)
  const refusals = new Map(memory.refusals)
  for (const [id, outcome] of outcomes) {
    if (outcome.kind === 'value') {
      values.set(id, outcome.value)
      refusals.delete(id)
    } else if (outcome.kind === 'failed' || !proven) {
      refusals.delete(id)
    } else {
      const count = (refusals.get(id) ?? 0) + 1
      refusals.set(id, count)
      if (count >= DECISIVE_REFUSALS && removeDeleted) values.delete(id)
    }
  }
  return { ...memory, values, refusals }
}

/** Whether a refusal awaits the second answer that makes it count. */
export function awaitsConfirmation({ refusals }: Memory): boolean {
  return [...refusals.values()].some((count) => count < DECISIVE_REFUSALS)
}

/** What the outputs are told: of a variable without value that is not refused for certain, nothing is known. */
export function snapshotOf(
  memory: Memory,
  token: AccessToken,
  {
    variableIds,
    removeDeleted,
    listed,
  }: {
    variableIds: Iterable<string>
    removeDeleted: boolean
    listed?: readonly string[] | undefined
  },
): Snapshot {
  const unknown = new Set<string>()
  for (const id of variableIds) {
    const decided = removeDeleted && (memory.refusals.get(id) ?? 0) >= DECISIVE_REFUSALS
    if (!memory.values.has(id) && !decided) unknown.add(id)
  }
  return {
    accessToken: token.secret,
    values: memory.values,
    unknown,
    ...(listed === undefined ? {} : { listed }),
  }
}
