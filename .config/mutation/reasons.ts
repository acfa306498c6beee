/** A mutant that lived. */
export interface Survivor {
  readonly file: string
  /** The line of source that it breaks. */
  readonly line: string
  readonly mutator: string
  /** Whether any test ran it. */
  readonly ran: boolean
}

/** Why a survivor may live; the first that fits. */
export function reasonFor({ line, mutator, ran }: Survivor): string {
  if (/satisfies never/.test(line)) return 'a branch that the compiler keeps empty'
  if (!ran) return 'run by suites that start the built program alone'
  if (mutator === 'OptionalChaining' || /\?\?|\.at\(/.test(line))
    return 'a fallback for the compiler, never reached'
  if (mutator === 'StringLiteral') return 'words for people that no test compares'
  return 'not looked at yet'
}
