import { AGENT } from './reasons/agent.ts'
import { CONJUR } from './reasons/conjur.ts'
import { IDENTITY } from './reasons/identity.ts'
import { INJECTOR } from './reasons/injector.ts'
import { OUTPUTS } from './reasons/outputs.ts'

/** A mutant that lived. */
export interface Survivor {
  /** Below `src`, such as `conjur/list.ts`. */
  readonly file: string
  /** The line of source that it breaks. */
  readonly line: string
  readonly mutator: string
}

/**
 * Why a survivor may live, by file: a text that stands on its line, the reason, and the kinds of mutants it is
 * about, where it is not about all. Each was written by somebody who looked at that line; the first that fits holds.
 */
export type Reasons = Readonly<
  Record<string, readonly (readonly [on: string, why: string, ...mutators: readonly string[]])[]>
>

const ALL: Reasons = { ...AGENT, ...CONJUR, ...IDENTITY, ...INJECTOR, ...OUTPUTS }

/** The reason of a survivor; undefined where a test is owed. */
export function reasonFor({ file, line, mutator }: Survivor): string | undefined {
  if (line.includes('satisfies never') || line.trim() === 'default:') {
    return 'the compiler keeps this branch empty'
  }
  const found = ALL[file]?.find(
    ([on, , ...mutators]) =>
      line.includes(on) && (mutators.length === 0 || mutators.includes(mutator)),
  )
  return found?.[1]
}
