import { join } from 'node:path'

const MAIN = join(import.meta.dirname, '../../dist/main.js')
const SOURCE = join(import.meta.dirname, '../../src/main.ts')

/** The self-contained executable that the suites are to be run against; undefined for the build under Node. */
export const EXECUTABLE: string | undefined = process.env['CONJUR_AGENT_PROGRAM'] || undefined

/**
 * The words that start the built program: `node dist/main.js …`, or the executable that
 * `CONJUR_AGENT_PROGRAM` names. `node` are flags of Node, which an executable does not take.
 */
export function builtProgram(
  argv: readonly string[],
  node: readonly string[] = [],
): [string, ...string[]] {
  if (EXECUTABLE !== undefined) return [EXECUTABLE, ...argv]
  return [process.execPath, ...node, MAIN, ...argv]
}

/** The same of the sources, where no executable is named: for suites that need no build. */
export function sourceProgram(argv: readonly string[]): [string, ...string[]] {
  if (EXECUTABLE !== undefined) return [EXECUTABLE, ...argv]
  return [process.execPath, SOURCE, ...argv]
}

/** The file that an image has as `conjur-agent`, such as a script's first line names. */
export const PROGRAM_FILE: string = EXECUTABLE ?? MAIN

/** The words that run a script of TypeScript, with its arguments, by the engine of the program under test. */
export function underEngine(...script: readonly string[]): [string, ...string[]] {
  if (EXECUTABLE === undefined) return [process.execPath, ...script]
  return ['env', 'BUN_BE_BUN=1', EXECUTABLE, 'run', ...script]
}
