/** One command line, understood: what a wing is started with. */
export interface Invocation<Command extends string = string> {
  readonly command: Command
  /** By name without dashes; absent where not typed. */
  readonly flags: Readonly<Record<string, string | boolean>>
  readonly positionals: readonly string[]
  /** The environment the program was started with. */
  readonly environment: Readonly<Record<string, string | undefined>>
}
