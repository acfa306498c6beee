/** What of a stream and its surroundings decides how it is written to. */
export interface Surroundings {
  /** Whether that very stream is a terminal. */
  readonly isTerminal: boolean
  /** The terminal's width, where it has one. */
  readonly columns: number | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What `--color` says. */
  readonly color: string | boolean | undefined
}

/** Five roles of the 16-colour palette; the palette itself belongs to the user. */
export type Role = 'green' | 'red' | 'yellow' | 'dim' | 'bold'

/** What marks lines and parts of lines, in UTF-8 or in plain letters. */
export interface Symbols {
  readonly done: string
  readonly failed: string
  readonly degraded: string
  readonly skipped: string
  readonly next: string
  /** Stands left of the lines that belong to a message. */
  readonly rule: string
  readonly to: string
  /** Stands between the parts of a line. */
  readonly dot: string
}

/** How one stream is written to. */
export interface Terminal {
  readonly symbols: Symbols
  /** Characters a line may have; undefined where it is never wrapped or cut. */
  readonly width: number | undefined
  readonly isTerminal: boolean
  readonly paint: (role: Role, text: string) => string
}

const UNICODE: Symbols = {
  done: '✓',
  failed: '✗',
  degraded: '!',
  skipped: '–',
  next: '→',
  rule: '│',
  to: '→',
  dot: '·',
}
const LETTERS: Symbols = {
  done: 'ok',
  failed: 'FAIL',
  degraded: 'warn',
  skipped: 'skip',
  next: '->',
  rule: '|',
  to: '->',
  dot: '-',
}

const CODES: Readonly<Record<Role, readonly [number, number]>> = {
  green: [32, 39],
  red: [31, 39],
  yellow: [33, 39],
  dim: [2, 22],
  bold: [1, 22],
}

/** Decides colour, symbols and width for one stream. */
export function terminalFor(surroundings: Surroundings): Terminal {
  const { isTerminal, columns, environment } = surroundings
  const colored = isColored(surroundings)
  return {
    symbols: symbolsFor(environment),
    width: isTerminal ? Math.min(120, Math.max(60, columns ?? 80)) : undefined,
    isTerminal,
    paint: (role, text) => {
      const [on, off] = CODES[role]
      return colored ? `\u001B[${on}m${text}\u001B[${off}m` : text
    },
  }
}

function isColored({ color, environment, isTerminal }: Surroundings): boolean {
  if (color === 'always') return true
  if (color === 'never') return false
  if ((environment['NO_COLOR'] ?? '') !== '') return false
  const forced = environment['FORCE_COLOR']
  if (forced !== undefined) return forced !== '0' && forced !== 'false'
  return isTerminal && environment['TERM'] !== 'dumb'
}

/**
 * The symbols that the terminal's locale can show. A container rarely sets one, and its log is
 * UTF-8 all the same: only a locale that says otherwise takes the symbols away.
 */
export function symbolsFor(environment: Surroundings['environment']): Symbols {
  const locale = environment['LC_ALL'] || environment['LC_CTYPE'] || environment['LANG'] || 'UTF-8'
  return /utf-?8/i.test(locale) ? UNICODE : LETTERS
}
