/** A text as a YAML scalar that every YAML reader takes for that very text: plain where that is safe, else quoted. */
export function scalar(text: string): string {
  return isPlain(text) ? text : JSON.stringify(text)
}

// Words and numbers that YAML 1.1, which Conjur's parser speaks, reads as something else.
const WORDS = /^(?:~|null|true|false|yes|no|on|off|y|n|\.nan|\.inf)$/i

function isPlain(text: string): boolean {
  return (
    /^[A-Za-z0-9_./][\w./@:+-]*$/.test(text) &&
    /[A-Za-z]/.test(text) &&
    !text.endsWith(':') &&
    !/^0[xob]/i.test(text) &&
    !/^[\d._]+e[+-]?\d+$/i.test(text) &&
    !WORDS.test(text)
  )
}
