import type { Terminal } from '../core/terminal.ts'

/** What the demo tells, line by line. */
export interface Screen {
  readonly terminal: Terminal
  /** A line as it is; empty without text. */
  line(text?: string): void
  /** `✓ Conjur     what is there now`. */
  done(name: string, text: string): void
  /** `✗ publish    what did not come true`, with lines that belong to it under a rule. */
  failed(name: string, text: string, details: readonly string[]): void
  /** ` +10 s  rotate    what happened`. */
  event(seconds: number, name: string, text: string): void
  /** `→ what one would type next`. */
  next(text: string): void
  /** Waits for the work; on a terminal a line says what for, and gives way to the next one. */
  waiting<T>(what: string, work: Promise<T>): Promise<T>
}

const QUIET_MS = 200
const REDRAW_MS = 100
const NAME = 11

export function createScreen(terminal: Terminal, write: (text: string) => void): Screen {
  const { symbols, paint } = terminal
  const line = (text = ''): void => write(`${text}\n`)
  return {
    terminal,
    line,
    done: (name, text) => line(`${paint('green', symbols.done)} ${name.padEnd(NAME)}${text}`),
    failed(name, text, details) {
      line(`${paint('red', symbols.failed)} ${name.padEnd(NAME)}${text}`)
      for (const detail of details) line(`  ${paint('dim', symbols.rule)} ${detail}`)
    },
    event: (seconds, name, text) => line(eventLine(seconds, name, text)),
    next: (text) => line(`${symbols.next} ${text}`),
    waiting: (what, work) => (terminal.isTerminal ? shown(terminal, { what, write }, work) : work),
  }
}

/** ` +10 s  rotate    text`: seconds since the first set, right-aligned up to two digits. */
export function eventLine(seconds: number, name: string, text: string): string {
  return `${`+${Math.round(seconds)}`.padStart(4)} s  ${name.padEnd(10)}${text}`
}

interface Shown {
  readonly what: string
  readonly write: (text: string) => void
}

async function shown<T>(terminal: Terminal, { what, write }: Shown, work: Promise<T>): Promise<T> {
  const start = performance.now()
  let drawn = false
  const redraw = setInterval(() => {
    const seconds = (performance.now() - start) / 1000
    if (seconds * 1000 < QUIET_MS) return
    const text = `  ${what}, ${seconds.toFixed(1)} s`
    write(`\r\u001B[K${terminal.paint('dim', text.slice(0, (terminal.width ?? 80) - 1))}`)
    drawn = true
  }, REDRAW_MS)
  try {
    return await work
  } finally {
    clearInterval(redraw)
    if (drawn) write('\r\u001B[K')
  }
}
