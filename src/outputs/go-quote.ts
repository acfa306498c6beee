/*
 * Go's strings are bytes. Here such a string is a JavaScript string with one character per byte
 * (`latin1`), so that lengths, slices and bytes that are no UTF-8 come out as they do in Go.
 */

/** One character of a Go string: its code point, 0xFFFD with width 1 where the bytes are no UTF-8. */
export interface Rune {
  readonly code: number
  /** How many bytes it takes. */
  readonly width: number
}

/** What stands for itself in every quotation here: no control character, quote or backslash, ASCII alone. */
const PLAIN = /^[ !#-&(-[\]-~]*$/

/** Text as a Go string: its UTF-8 bytes, one character each. */
export function toGo(text: string): string {
  return PLAIN.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** A Go string read as UTF-8. */
export function fromGo(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** The UTF-8 bytes of a code point as a Go string; what is no code point becomes U+FFFD. */
export function encodeRune(code: number): string {
  const isSurrogate = code >= 0xd800 && code <= 0xdfff
  return toGo(String.fromCodePoint(code < 0 || code > 0x10ffff || isSurrogate ? 0xfffd : code))
}

/** The characters of a Go string, as `range` sees them. */
export function* runes(bytes: string): Generator<Rune> {
  for (let at = 0; at < bytes.length;) {
    const rune = runeAt(bytes, at)
    yield rune
    at += rune.width
  }
}

/** What `strconv.Quote` and `%q` make of a Go string. */
export function goQuote(bytes: string): string {
  return PLAIN.test(bytes) ? `"${bytes}"` : quoteWith(bytes, '"', isPrint)
}

/** What `%+q` makes of it: ASCII only. */
export function goQuoteAscii(bytes: string): string {
  return quoteWith(bytes, '"', (code) => code < 0x7f && isPrint(code))
}

/** What `%q` makes of a number, and `%+q`: a character in single quotes. */
export function goQuoteRune(code: number, isAscii: boolean): string {
  return quoteWith(encodeRune(code), "'", (code) => (!isAscii || code < 0x7f) && isPrint(code))
}

/** What Go's unicode.IsPrint says: letters, marks, numbers, punctuation, symbols and the space. */
export function isPrint(code: number): boolean {
  if (code < 0x7f) return code >= 0x20
  return /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(String.fromCodePoint(code))
}

function quoteWith(bytes: string, quote: string, isShown: (code: number) => boolean): string {
  let quoted = quote
  let at = 0
  for (const { code, width } of runes(bytes)) {
    const raw = bytes.slice(at, at + width)
    at += width
    if (code === 0xfffd && width === 1) quoted += `\\x${hex(raw.charCodeAt(0), 2)}`
    else if (raw === quote || raw === '\\') quoted += `\\${raw}`
    else if (isShown(code)) quoted += raw
    else quoted += escape(code)
  }
  return quoted + quote
}

const named: Readonly<Record<number, string>> = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
}

function escape(code: number): string {
  const name = named[code]
  if (name !== undefined) return name
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}

function runeAt(bytes: string, at: number): Rune {
  const first = bytes.charCodeAt(at)
  if (first < 0x80) return { code: first, width: 1 }
  const width = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  const invalid = { code: 0xfffd, width: 1 }
  if (first < 0xc2 || first > 0xf4 || at + width > bytes.length) return invalid
  let code = first & (0xff >> (width + 1))
  for (let next = at + 1; next < at + width; next++) {
    const byte = bytes.charCodeAt(next)
    if ((byte & 0xc0) !== 0x80) return invalid
    code = (code << 6) | (byte & 0x3f)
  }
  const isOverlong = (width === 3 && code < 0x800) || (width === 4 && code < 0x10000)
  const isSurrogate = code >= 0xd800 && code <= 0xdfff
  return isOverlong || isSurrogate || code > 0x10ffff ? invalid : { code, width }
}
