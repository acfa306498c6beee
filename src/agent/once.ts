import type { AgentError } from '../core/errors.ts'
import { cycle, type Report, type Stages } from './cycle.ts'
import { emptyMemory, type Memory } from './memory.ts'
import { retryDelayMs } from './schedule.ts'

export interface OnceOptions {
  /** How many tries may follow the first; -1: any number. */
  readonly retryCountLimit: number
  /** The wait before the first of them; 0: there are none. */
  readonly retryIntervalMs: number
  /** 0 to 1, anew at each call. */
  readonly random: () => number
  /** What a pass that ran to its end still lacks. */
  readonly unmet: (report: Report) => AgentError | undefined
  /** Told of every pass, and of the wait before the next try. */
  readonly onPass: (report: Report, retry: Retry | undefined) => void
}

export interface Retry {
  readonly error: AgentError
  /** 1 for the first retry. */
  readonly attempt: number
  readonly waitMs: number
}

const CAP_MS = 30_000

/**
 * Passes until one has published everything that is required, and yields what is known then. Rejects with the AgentError of the
 * last pass: at once where trying again cannot help, since the platform starts an init container anew.
 */
export async function once(
  stages: Stages,
  options: OnceOptions,
  signal: AbortSignal,
): Promise<Memory> {
  const limit = options.retryIntervalMs === 0 ? 0 : options.retryCountLimit
  let memory = emptyMemory
  for (let attempt = 1; ; attempt++) {
    const report = await cycle(stages, { memory, task: { values: true, renew: false } }, signal)
    memory = report.memory
    const error = report.error ?? report.outputErrors[0] ?? options.unmet(report)
    const again = error !== undefined && isWorthRetrying(error) && (limit < 0 || attempt <= limit)
    if (error === undefined || !again) {
      options.onPass(report, undefined)
      if (error === undefined) return memory
      throw error
    }
    const waitMs = retryDelayMs({
      attempt,
      baseMs: options.retryIntervalMs,
      capMs: CAP_MS,
      jitter: options.random(),
      retryAfterMs: error.retryAfterMs,
      tokenLeftMs: undefined,
    })
    options.onPass(report, { error, attempt, waitMs })
    await stages.clock.sleep(waitMs, signal)
  }
}

// A source has waited for its platform already, by the vendor's own table: not that again, times five.
const WAITED_FOR: readonly string[] = ['IDENTITY_NOT_READY', 'IDENTITY_ABSENT']

function isWorthRetrying(error: AgentError): boolean {
  return error.retryable && !WAITED_FOR.includes(error.code)
}
