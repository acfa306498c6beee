import type { ListedVariable } from '../conjur/list.ts'
import { AgentError } from '../core/errors.ts'

/**
 * Epoch milliseconds at which those of the wanted variables end that the list shows an end of.
 * Undefined where the list cannot be had: values count for more than when they end.
 */
export async function readExpiries(
  wanted: ReadonlyMap<string, unknown>,
  list: () => Promise<readonly ListedVariable[]>,
  signal: AbortSignal,
): Promise<readonly number[] | undefined> {
  try {
    return (await list()).flatMap(({ id, expiresAt }) =>
      wanted.has(id) && expiresAt !== undefined ? [expiresAt] : [],
    )
  } catch (error) {
    if (signal.aborted || !(error instanceof AgentError)) throw error
    return undefined
  }
}
