import type { Agent } from './agent.ts'
import type { Reader } from './reader.ts'
import type { Stage } from './stage.ts'
import { StepFailed } from './until.ts'
import type { lookAt } from './volume.ts'

/** A scene while it is played: an agent, an application that reads its files, and who tells of it. */
export interface Playing {
  readonly stage: Stage
  readonly agent: Agent
  readonly reader: Reader
  /** Tells an event under its word, with the seconds since the first set. */
  readonly tell: (name: string, text: string) => void
}

/** What {@link lookAt} saw at one moment. */
export type Look = ReturnType<typeof lookAt>

/** Whether the same file stands behind a name, unwritten since. */
export function isSame(name: string, before: Look, after: Look): boolean {
  return before.get(name)?.version === after.get(name)?.version
}

/** The reader's tally. Throws {@link StepFailed} where it found anything but whole sets. */
export function requireWhole(reader: Reader, step: string): ReturnType<Reader['tally']> {
  const tally = reader.tally()
  if (tally.reads === 0) throw new StepFailed(step, 'no reader found a set to read')
  if (tally.torn + tally.mixed > 0) {
    throw new StepFailed(
      step,
      `of ${tally.reads} reads ${tally.torn} were torn and ${tally.mixed} mixed`,
    )
  }
  return tally
}
