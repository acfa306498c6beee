import pino, { type Logger } from 'pino'
import { prettyLine } from './pretty.ts'

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** Where lines go: a JSON object each, or readable text on a terminal. */
  readonly destination: { write(line: string): unknown }
  readonly pretty: boolean
}

/**
 * The one logger of a process. Secrets do not get here, since they print as [redacted]; what looks
 * like a token all the same, in a foreign error's text for instance, is cut out of the finished line.
 */
export function createLogger({ level, destination, pretty }: LogOptions): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorFacts },
      hooks: { streamWrite: redact },
    },
    { write: (line) => destination.write(pretty ? prettyLine(line) : line) },
  )
}

/** The beginning of base64 of `{"`, in either alphabet, percent-encoded or not: JWTs and access tokens alike. */
const TOKEN = /eyJ(?:[\w+/=.-]|%2[BDEFbdef]|%3[Dd]){16,}/g
const CONJUR_TOKEN = /(Token token=\\?"|"(?:protected|payload|signature)\\?":\s*\\?")[^"\\]+/g

/** Cuts out whatever looks like a token. */
function redact(line: string): string {
  return line.replace(TOKEN, '[redacted]').replace(CONJUR_TOKEN, '$1[redacted]')
}

/** An error as a log shows it: code, message and facts; the stack and causes are for level debug alone. */
function errorFacts(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: String(error) }
  return {
    ...('code' in error ? { code: error.code } : {}),
    message: error.message,
    ...('facts' in error ? { facts: error.facts } : {}),
  }
}
