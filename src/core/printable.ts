/**
 * A text from outside as it may stand in a line for people: what breaks the line, moves the cursor or
 * turns the direction of writing is shown as the escape it is, so that nobody can write a line of ours.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => {
    const point = character.codePointAt(0) ?? 0
    return character === '\t' ? ' ' : (SHORT.get(point) ?? `\\u{${point.toString(16)}}`)
  })
}

const SHORT: ReadonlyMap<number, string> = new Map([
  [0x0a, '\\n'],
  [0x0d, '\\r'],
])
