/** The prefix of every annotation that is ours. */
export const PREFIX = 'conjur.org/'

/** A pod's annotations, given without the prefix, and where what is wrong with them goes. */
export interface Notes {
  readonly text: (name: string) => string | undefined
  readonly refused: (name: string, what: string) => void
  readonly ignored: (name: string, why: string) => void
}

/** A text that somebody typed, as a message quotes it: one line, not too long. */
export function shown(text: string): string {
  return oneLine(text, 60)
}

/** A text that fits a header or a log line, whatever was typed into it. */
export function oneLine(text: string, longest: number): string {
  const line = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu, ' ')
  return line.length > longest ? `${line.slice(0, longest - 3)}…` : line
}
