import { AgentError, ConjurError, UsageError } from '../core/errors.ts'
import type { Known, Tools } from './known.ts'
import { stepIds, type StepId } from '../core/doctor-steps.ts'
import { failed, type Finding, type StepResult } from './report.ts'
import { steps, type Step } from './steps.ts'

/** Who is told while the steps are taken. */
export interface Listener {
  /** The step that is waited for now. */
  readonly started: (id: StepId, known: Known) => void
  /** A result; they come in the report's order. */
  readonly finished: (result: StepResult, known: Known) => void
}

export interface ExamineOptions {
  readonly tools: Tools
  /** The last step of the report. */
  readonly until: StepId
  readonly listener: Listener
  readonly signal: AbortSignal
}

/**
 * Takes every step up to `until`, each with its own deadline. A step that needs what an earlier one
 * did not find is skipped; all others are taken. Rejects with the signal's reason when
 * that aborts, and with a UsageError where the command line is wrong.
 */
export async function examine(options: ExamineOptions): Promise<readonly StepResult[]> {
  const { tools, until, listener, signal } = options
  const wanted = stepIds.slice(0, stepIds.indexOf(until) + 1)
  const results = new Map<StepId, StepResult>()
  let known: Known = {}
  let told = 0
  for (const step of steps.slice(0, lastOf(wanted) + 1)) {
    const id = step.id === 'reply' ? 'clock' : step.id
    listener.started(id, known)
    const startedAt = performance.now()
    const [finding, more] = await take(step, { known, tools, signal })
    const seconds = Math.round(performance.now() - startedAt) / 1000
    known = { ...known, ...more }
    if (step.id === 'reply' || !wanted.includes(step.id)) continue
    results.set(step.id, { id: step.id, ...finding, seconds })
    for (
      let next = results.get(wanted[told] ?? until);
      next !== undefined && told < wanted.length;
    ) {
      listener.finished(next, known)
      told += 1
      next = results.get(wanted[told] ?? until)
    }
  }
  return wanted.flatMap((id) => results.get(id) ?? [])
}

/** The last step that has to be taken for the report to be whole: clock stands before the reply it reads. */
function lastOf(wanted: readonly StepId[]): number {
  return Math.max(...wanted.map((id) => steps.findIndex((step) => step.id === id)))
}

interface Situation {
  readonly known: Known
  readonly tools: Tools
  readonly signal: AbortSignal
}

async function take(step: Step, { known, tools, signal }: Situation): Promise<[Finding, Known]> {
  const deadline = AbortSignal.timeout(tools.timeoutMs)
  const either = AbortSignal.any([signal, deadline])
  try {
    return await step.run(known, tools, either)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof UsageError) throw error
    if (error instanceof AgentError) return [failed(error), {}]
    if (!deadline.aborted) throw error
    const seconds = tools.timeoutMs / 1000
    return [
      failed(
        new ConjurError('CONJUR_UNREACHABLE', `no answer within ${seconds} s`, {
          hint: `conjur-agent doctor --until ${step.id} --timeout ${seconds * 3}s waits longer`,
          retryable: true,
          cause: error,
        }),
      ),
      {},
    ]
  }
}
