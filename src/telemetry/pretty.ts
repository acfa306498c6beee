/** One JSON log line as people read it on a terminal: time, level, message, then the facts. */
export function prettyLine(line: string): string {
  const entry: unknown = parse(line)
  if (typeof entry !== 'object' || entry === null) return line
  const { time, level, msg, ...facts }: Record<string, unknown> = { ...entry }
  const shown = Object.entries(facts).map(([name, value]) => `${name}=${text(value)}`)
  return `${text(time).slice(11, 19)} ${text(level).padEnd(5)} ${[text(msg), ...shown].join('  ')}\n`
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
