import type { Invocation } from '../core/invocation.ts'

export async function start(_invocation: Invocation): Promise<number> {
  return 0
}
