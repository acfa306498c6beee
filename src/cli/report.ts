import { AgentError, UsageError } from '../core/errors.ts'
import { printable } from '../core/printable.ts'

/** Every exit code the program gives, in words; the docs and `help exit-codes` come from here. */
export const exitCodes: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'done'],
  ['1', 'our own fault: a defect worth reporting'],
  ['2', 'wrong command line'],
  ['3', 'configuration'],
  ['4', 'identity: the platform gives no usable token'],
  ['5', 'Conjur is away, distrusted or refuses'],
  ['6', 'output: a file, Secret or child cannot be given its values'],
  ['7', 'admission'],
  ['8', 'it ran and found something'],
  ['128+n', 'a one-pass command cut short by signal n'],
]

/** An error as people see it: `CODE: message`, its lines under a left rule, `hint: …`. */
export function report(error: unknown): string {
  if (error instanceof AgentError) {
    const message = printable(error.message)
    const head = error instanceof UsageError ? message : `${error.code}: ${message}`
    const lines = error.lines.map((line) => `│ ${printable(line)}`)
    return [head, ...lines, `hint: ${printable(error.hint)}`, ''].join('\n')
  }
  const name = error instanceof Error ? error.name : typeof error
  return `INTERNAL: this is a defect of conjur-agent (${name})\nhint: run again with --log-level debug and report what it prints\n`
}
