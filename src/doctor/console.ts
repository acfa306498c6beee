import type { Terminal } from '../core/terminal.ts'

/** The two streams of a command: what a program may read, and all talk to people. */
export interface Console {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** How stdout is written to. */
  readonly outTerminal: Terminal
  /** How stderr is written to. */
  readonly errTerminal: Terminal
}
