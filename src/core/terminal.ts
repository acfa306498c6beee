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

/** How one stream is written to. */
export interface Terminal {
  readonly symbols: typeof UNICODE | typeof ASCII
  /** Characters a line may have; undefined where it is never wrapped or cut. */
  readonly width: number | undefined
  readonly isTerminal: boolean
  readonly paint: (role: Role, text: string) => string
}

const UNICODE = {
  done: '✓',
  failed: '✗',
  degraded: '!',
  skipped: '–',
  next: '→',
  rule: '│',
  dot: '·',
} as const
const ASCII = {
  done: 'ok',
  failed: 'FAIL',
  degraded: 'warn',
  skipped: 'skip',
  next: '->',
  rule: '|',
  dot: '-',
} as const

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
    symbols: isUtf8(environment) ? UNICODE : ASCII,
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

// A container rarely sets a locale, and its log is UTF-8 all the same: only a locale that says
// otherwise takes the symbols away.
function isUtf8(environment: Surroundings['environment']): boolean {
  const set = ['LC_ALL', 'LC_CTYPE', 'LANG'].flatMap((name) => environment[name] || [])
  const [locale] = set
  return locale === undefined || /utf-?8/i.test(locale)
}
