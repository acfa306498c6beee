import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'

/** One measured thing, with the budget it is held to. */
export interface Row {
  readonly what: string
  readonly measured: number
  readonly unit: string
  /** `atMost` for costs, `atLeast` for rates. */
  readonly atMost?: number
  readonly atLeast?: number
}

/** Whether a row is within its budget; one without a budget is. */
export function holds({ measured, atMost, atLeast }: Row): boolean {
  return (
    (atMost === undefined || measured <= atMost) && (atLeast === undefined || measured >= atLeast)
  )
}

/** Rows as a Markdown table, with the machine and the moment below it. */
export function table(title: string, rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const budget =
      row.atMost === undefined
        ? row.atLeast === undefined
          ? '–'
          : `≥ ${row.atLeast}`
        : `≤ ${row.atMost}`
    return `| ${row.what} | ${row.measured} ${row.unit} | ${budget} | ${holds(row) ? '✓' : '✗'} |`
  })
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`
  return [
    `## ${title}`,
    '',
    '| what | measured | budget | |',
    '|---|---|---|---|',
    ...lines,
    '',
    `${machine}.`,
    '',
  ].join('\n')
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** CPU time of an empty Node from exec on, in milliseconds: what the work of any program is set beside. */
function emptyNodeMs(): number {
  const tell =
    'const { user, system } = process.cpuUsage(); process.stdout.write(String(user + system))'
  const times = Array.from({ length: 9 }, () =>
    Number(execFileSync(process.execPath, ['-e', tell], { encoding: 'utf8' })),
  )
  return median(times) / 1000
}

/** How a time of the processor stands to an empty Node's start: a word for a row. */
export function besideEmptyNode(cpuMs: number): string {
  return `${(cpuMs / emptyNodeMs()).toFixed(2)} × \`node -e 0\``
}

/** The words that hold a command to the first processor, where the machine has the tool for it. */
export function onOneCore(): readonly string[] {
  try {
    execFileSync('taskset', ['-c', '0', 'true'])
    return ['taskset', '-c', '0']
  } catch {
    return []
  }
}
