import { createLogger } from '../../src/telemetry/log.ts'

/** A line of a log, without its time. */
export type LogLine = Readonly<Record<string, unknown>>

/** A logger of every level, and what it was told. */
export function logLines(): { log: ReturnType<typeof createLogger>; lines: LogLine[] } {
  const lines: LogLine[] = []
  const write = (text: string): void => {
    const { time: _time, ...line } = { ...JSON.parse(text) }
    lines.push(line)
  }
  return { log: createLogger({ level: 'debug', pretty: false, destination: { write } }), lines }
}
