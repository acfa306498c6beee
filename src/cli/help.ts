import type { Invocation } from '../core/invocation.ts'

export async function help(_invocation: Invocation): Promise<number> {
  return 0
}
