import type { ReadStream, WriteStream } from 'node:tty'

/** How often it is looked at what is watched. */
const WATCH_MS = 1000

export interface Watched {
  /** What stands there now; the same text as before is not shown again where it cannot be drawn over. */
  readonly text: () => string
  readonly stdin: ReadStream
  readonly stdout: WriteStream
  /** Ends it from outside: a signal. */
  readonly onEnd: (end: () => void) => void
}

/**
 * Shows a text anew every second until q, Ctrl-C or a signal: on a terminal in place, without a
 * flicker, and leaves the screen as it was; elsewhere one block after another, each when it changed.
 */
export async function watch({ text, stdin, stdout, onEnd }: Watched): Promise<void> {
  const screen = stdout.isTTY ? drawn(stdout) : appended(stdout)
  const keys = stdin.isTTY && stdout.isTTY
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const onKey = (key: Buffer): void => {
    if (['q', 'Q', '\u0003', '\u0004'].includes(key.toString('latin1'))) end()
  }
  if (keys) stdin.setRawMode(true).resume().on('data', onKey)
  onEnd(end)
  const timer = setInterval(() => screen.show(text()), WATCH_MS)
  try {
    screen.show(text())
    await ended
  } finally {
    clearInterval(timer)
    if (keys) stdin.off('data', onKey).setRawMode(false).pause()
    screen.leave()
  }
}

interface Screen {
  show(text: string): void
  leave(): void
}

/** On the terminal's second screen, without its cursor, each line over the old one. */
function drawn(stdout: WriteStream): Screen {
  stdout.write('\x1b[?1049h\x1b[?25l')
  return {
    show(text) {
      const lines = text
        .trimEnd()
        .split('\n')
        .slice(0, stdout.rows || undefined)
      stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
    },
    leave: () => void stdout.write('\x1b[?25h\x1b[?1049l'),
  }
}

function appended(stdout: WriteStream): Screen {
  let last = ''
  return {
    show(text) {
      if (text !== last) stdout.write(`${last === '' ? '' : '\n'}${text}`)
      last = text
    },
    leave: () => undefined,
  }
}
