import { join } from 'node:path'

/** The built program, for Node. */
export const MAIN = join(import.meta.dirname, '../dist/main.js')

/** Made by `npm run build:executable`; measured where it is there. */
export const EXECUTABLE = join(import.meta.dirname, '../dist/conjur-agent')

/** What the executable's unit sets (docs/executable.md). */
export const WITHOUT_COMPILERS = { BUN_JSC_useJIT: '0' }

/**
 * Another program of the same job, as the shell starts it. It gets what ours gets, and `BENCH_VALUES` and
 * `BENCH_LAYOUT`, and is to write below `CONJUR_SECRETS_DIRECTORY`.
 */
export function other(command: string): readonly [string, ...string[]] {
  return ['sh', '-c', `exec ${command}`]
}
