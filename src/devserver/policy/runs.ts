/** A text whose long runs of plain variables are each folded into one line, and what they held. */
export interface Folded {
  readonly text: string
  /** Placeholder → the names it stands for. */
  readonly runs: ReadonlyMap<string, readonly string[]>
  /** The line (from 1) at which a line of the folded text stood before. */
  lineBefore(line: number): number
}

const shortest = 256
const plainVariable = /^ *- !variable [A-Za-z0-9][\w./@-]*[ \t]*$/

/**
 * Folds runs of `- !variable NAME` lines, so that a policy of a hundred thousand variables is not
 * held as a tree of a million nodes. Where a run stood in a place that only looks like a list, such as a block of text, its placeholder turns up there: the reader
 * notices and reads the text as it is.
 */
export function foldRuns(text: string, mark: string): Folded {
  const runs = new Map<string, readonly string[]>()
  const folds: { line: number; more: number }[] = []
  const lineBefore = (line: number): number =>
    folds.reduce((sum, fold) => (fold.line < line ? sum + fold.more : sum), line)
  if (text.length < shortest * 16) return { text, runs, lineBefore }
  const kept: string[] = []
  let names: string[] = []
  let indent = ''
  const close = (): void => {
    if (names.length >= shortest) {
      const placeholder = `${mark}-${runs.size}`
      runs.set(placeholder, names)
      kept.push(`${indent}- !variable ${placeholder}`)
      folds.push({ line: kept.length, more: names.length - 1 })
    } else for (const name of names) kept.push(`${indent}- !variable ${name}`)
    names = []
  }
  for (let from = 0; from <= text.length;) {
    const end = text.indexOf('\n', from)
    const line = text.slice(from, end < 0 ? text.length : end)
    from = end < 0 ? text.length + 1 : end + 1
    if (!plainVariable.test(line)) {
      close()
      kept.push(line)
    } else {
      const dash = line.indexOf('-')
      if (dash !== indent.length) close()
      indent = ' '.repeat(dash)
      names.push(line.slice(dash + '- !variable '.length).trimEnd())
    }
  }
  close()
  return { text: kept.join('\n'), runs, lineBefore }
}
