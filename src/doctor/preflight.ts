import { VERSION } from '../core/version.ts'
import { nameOf } from '../identity/claims.ts'
import type { Console } from './console.ts'
import { examine } from './examine.ts'
import type { Known, Tools } from './known.ts'
import type { StepId } from '../core/doctor-steps.ts'
import { reportExitCode, toJson, type Report, type Subject } from './report.ts'
import { screenFor } from './screen.ts'
import type { Waiting } from './waiting.ts'

export interface PreflightOptions {
  readonly until: StepId
  readonly isShort: boolean
  readonly isJson: boolean
  readonly console: Console
  readonly waiting: Waiting
}

/** Runs the preflight and shows it, each line as soon as it is known. Resolves to the exit code. */
export async function preflight(
  options: PreflightOptions,
  tools: Tools,
  signal: AbortSignal,
): Promise<number> {
  const { until, isShort, isJson, console, waiting } = options
  const screen = screenFor(console.outTerminal, { isShort })
  const show = (text: string): void => {
    if (!isJson) console.out(text)
  }
  const startedAt = new Date(tools.now())
  const since = performance.now()
  let subject: Subject | undefined
  try {
    const steps = await examine({
      tools,
      until,
      signal,
      listener: {
        started: (id) => waiting.for(id),
        finished(result, known) {
          waiting.stop()
          if (subject === undefined) {
            subject = subjectOf(known)
            show(screen.heading(subject))
          }
          show(screen.step(result))
        },
      },
    })
    const seconds = Math.round(performance.now() - since) / 1000
    const report: Report = { ...(subject ?? subjectOf({})), startedAt, seconds, steps }
    if (isJson) console.out(toJson(report))
    else show(screen.verdict(report))
    return reportExitCode(report)
  } finally {
    waiting.stop()
  }
}

function subjectOf({ partial }: Known): Subject {
  const { authenticator, login } = partial?.conjur ?? {}
  return {
    version: VERSION,
    mode: partial?.mode,
    authenticator: authenticator === undefined ? undefined : nameOf(authenticator),
    login,
  }
}
