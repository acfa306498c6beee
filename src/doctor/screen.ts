import type { Role, Symbols, Terminal } from '../core/terminal.ts'
import type { StepId } from '../core/doctor-steps.ts'
import {
  reportExitCode,
  type Finding,
  type Report,
  type StepResult,
  type Subject,
} from './report.ts'

/** How a report is shown; `short` leaves out what is well. */
export interface Screen {
  readonly heading: (subject: Subject) => string
  /** One step; empty where it is not shown. */
  readonly step: (result: StepResult) => string
  readonly verdict: (report: Report) => string
}

const LABELS: Partial<Record<StepId, string>> = { token: 'platform token' }
const SYMBOLS = {
  passed: 'done',
  failed: 'failed',
  degraded: 'degraded',
  skipped: 'skipped',
} as const satisfies Record<Finding['outcome'], keyof Symbols>

const ROLES = {
  passed: 'green',
  failed: 'red',
  degraded: 'yellow',
  skipped: 'dim',
} as const satisfies Record<Finding['outcome'], Role>

const LABEL_WIDTH = 16
const WORD_WIDTH = 14

/** Draws reports for one terminal. Every text ends in a line feed. */
export function screenFor(terminal: Terminal, { isShort }: { readonly isShort: boolean }): Screen {
  const { symbols, paint } = terminal
  const width = Math.max(...Object.values(SYMBOLS).map((name) => symbols[name].length))
  // What the locale cannot show is written in plain letters.
  const legible = (text: string): string =>
    symbols.to === '→' ? text : text.replaceAll('→', symbols.to).replaceAll('…', '...')
  const rule = `  ${paint('dim', symbols.rule)} `
  return {
    heading({ version, mode, authenticator, login }) {
      const who =
        login === undefined
          ? authenticator
          : `${authenticator ?? 'no authenticator'} as ${paint('bold', login)}`
      const parts = [`conjur-agent ${version}`, mode, who].filter((part) => part !== undefined)
      return `${parts.join(` ${symbols.dot} `)}\n\n`
    },
    step(result) {
      if (isShort && (result.outcome === 'passed' || result.outcome === 'skipped')) return ''
      const label = (LABELS[result.id] ?? result.id).padEnd(LABEL_WIDTH)
      const said =
        result.outcome === 'failed' ? `${result.code}: ${result.message}` : result.message
      const symbol = symbols[SYMBOLS[result.outcome]]
      const lines = [
        ...wrap(`${symbol.padEnd(width)} ${label}`, said, terminal).map((line, index) =>
          index === 0 ? paint(ROLES[result.outcome], symbol) + line.slice(symbol.length) : line,
        ),
        ...detail(result, symbols.dot).map((line) => rule + line),
        ...(result.hint === undefined ? [] : [`  hint: ${result.hint}`]),
      ]
      return legible(`${lines.join('\n')}\n`)
    },
    verdict(report) {
      const { steps, seconds } = report
      const count = (outcome: Finding['outcome']): number =>
        steps.filter((step) => step.outcome === outcome).length
      const [failures, skips, warnings] = [count('failed'), count('skipped'), count('degraded')]
      const parts = [
        failures === 0
          ? `${count('passed')} of ${steps.length} passed`
          : `${failures} of ${steps.length} failed`,
        ...(warnings === 0 ? [] : [`${warnings} degraded`]),
        ...(skips === 0 ? [] : [`${skips} skipped`]),
        `${seconds.toFixed(1)} s ${symbols.dot} exit ${reportExitCode(report)}`,
      ]
      const code = steps.find(({ outcome }) => outcome === 'failed')?.code
      const topic = code === undefined ? '' : `        ${symbols.next} conjur-agent help ${code}`
      return `${isShort && failures + warnings === 0 ? '' : '\n'}${parts.join(', ')}${topic}\n`
    },
  }
}

/** What stands under a message: its lines, what is ruled out, and what is left. */
function detail({ lines = [], ruledOut = [], left = [] }: Finding, dot: string): readonly string[] {
  return [
    ...lines,
    ...(ruledOut.length === 0
      ? []
      : [`${'ruled out'.padEnd(WORD_WIDTH)}${ruledOut.join(` ${dot} `)}`]),
    ...left.flatMap(({ what, claims = {} }, index) => {
      const width = Math.max(...Object.keys(claims).map((name) => name.length)) + 3
      return [
        `${(index === 0 ? 'left' : '').padEnd(WORD_WIDTH)}${index + 1} ${what}`,
        ...Object.entries(claims).map(
          ([name, value]) => `${' '.repeat(WORD_WIDTH + 4)}${name.padEnd(width)}"${value}"`,
        ),
      ]
    }),
  ]
}

/** A text behind a label, broken at spaces where the terminal ends; what is piped is never broken. */
function wrap(label: string, text: string, { width }: Terminal): readonly string[] {
  if (width === undefined) return [label + text]
  const room = width - label.length
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  lines.push(line)
  return lines.map((one, index) => (index === 0 ? label : ' '.repeat(label.length)) + one)
}
