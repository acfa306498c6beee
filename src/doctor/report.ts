import type { StepId } from '../core/doctor-steps.ts'
import type { AgentError, Facts } from '../core/errors.ts'
import { exitCode } from '../core/exit-code.ts'

/** What one step came to. */
export interface Finding {
  readonly outcome: 'passed' | 'failed' | 'degraded' | 'skipped'
  /** One line that stands without the rest. */
  readonly message: string
  /** One of docs/errors.md. */
  readonly code?: string
  /** A command or a place. */
  readonly hint?: string
  readonly facts?: Facts
  /** Stand under the message where one line is not enough. */
  readonly lines?: readonly string[]
  /** What earlier steps proved not to be the cause. */
  readonly ruledOut?: readonly string[]
  /** What may still be the cause, likeliest first. */
  readonly left?: readonly Suspect[]
  /** Of a failure: the exit code of its family. */
  readonly exitCode?: number
}

/** A possible cause of a refusal, with the claims it is about. */
export interface Suspect {
  readonly what: string
  readonly claims?: Readonly<Record<string, string>>
}

/** A finding with its step and how long it took. */
export interface StepResult extends Finding {
  readonly id: StepId
  readonly seconds: number
}

/** What a report is about: its first line. */
export interface Subject {
  readonly version: string
  readonly mode: string | undefined
  /** Such as `authn-jwt/prod`. */
  readonly authenticator: string | undefined
  readonly login: string | undefined
}

/** All steps that were asked for, in order. */
export interface Report extends Subject {
  readonly startedAt: Date
  readonly seconds: number
  readonly steps: readonly StepResult[]
}

export function passed(message: string, facts: Facts = {}): Finding {
  return { outcome: 'passed', message, facts }
}

export function degraded(message: string, details: Omit<Finding, 'outcome' | 'message'>): Finding {
  return { outcome: 'degraded', message, ...details }
}

export function skipped(why: string): Finding {
  return { outcome: 'skipped', message: `not tried: ${why}` }
}

/** A failure as its error tells it; `more` wins over what the error says. */
export function failed(error: AgentError, more: Partial<Finding> = {}): Finding {
  return {
    outcome: 'failed',
    code: error.code,
    message: error.message,
    hint: error.hint,
    facts: error.facts,
    lines: error.lines,
    exitCode: exitCode(error),
    ...more,
  }
}

/** The exit code of a report: the family of its first failure. */
export function reportExitCode({ steps }: Pick<Report, 'steps'>): number {
  return steps.find(({ outcome }) => outcome === 'failed')?.exitCode ?? 0
}

/** The report as the document `conjur-agent/doctor/v1`. Fields are only ever added. */
export function toJson(report: Report): string {
  const code = reportExitCode(report)
  const document = {
    schema: 'conjur-agent/doctor/v1',
    ok: code === 0,
    exitCode: code,
    version: report.version,
    startedAt: report.startedAt.toISOString(),
    mode: report.mode,
    authenticator: report.authenticator,
    login: report.login,
    seconds: report.seconds,
    steps: report.steps.map((step) => ({
      id: step.id,
      outcome: step.outcome,
      code: step.code,
      message: step.message,
      hint: step.hint,
      facts: step.facts ?? {},
      lines: step.lines?.length === 0 ? undefined : step.lines,
      ruledOut: step.ruledOut,
      left: step.left,
      seconds: step.seconds,
    })),
  }
  return `${JSON.stringify(document)}\n`
}
