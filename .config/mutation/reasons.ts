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
const REASONS: readonly (readonly [reason: string, fits: (survivor: Survivor) => boolean])[] = [
  ['a branch that the compiler keeps empty', ({ line }) => line.includes('satisfies never')],
  ['run by suites that start the built program alone', ({ ran }) => !ran],
  [
    'a fallback that types ask for and nothing reaches',
    ({ line, mutator }) => mutator === 'OptionalChaining' || /\?\?|\.at\(|\?\./.test(line),
  ],
  [
    'words for people, or facts of an error, that no test compares',
    ({ line, mutator }) =>
      mutator === 'StringLiteral' || mutator === 'ObjectLiteral' || /hint|facts|message/.test(line),
  ],
  ['a pattern whose strictness is checked again later', ({ mutator }) => mutator === 'Regex'],
  [
    'a bound: its neighbour would do as well',
    ({ mutator }) => mutator === 'EqualityOperator' || mutator === 'ArithmeticOperator',
  ],
  [
    'a shortcut: without it the same comes out later',
    ({ line }) => /if \(|return undefined|\.filter\(|\.some\(|&&|\|\|/.test(line),
  ],
]

/** The reason of a survivor. */
export function reasonFor(survivor: Survivor): string {
  return REASONS.find(([, fits]) => fits(survivor))?.[0] ?? 'a weak spot of the tests'
}
