import { encodeRune, runes, toGo } from '../go-quote.ts'

/** An untyped constant: bigint for an integer, number for a floating-point one. */
export type GoNumber = bigint | number

const LARGEST_INT = 2n ** 63n - 1n

/** The value of a number or character constant; undefined where Go takes it for neither or it is too large. */
export function readNumber(text: string): GoNumber | undefined {
  if (text.startsWith("'")) return readRune(text)
  if (/[.eEpP]/.test(text) && !/^[+-]?0[xX][^pP.]*$/.test(text)) return readFloat(text)
  return readInteger(text)
}

/** The Go string behind a quoted or raw literal; undefined where it is malformed. */
export function readString(literal: string): string | undefined {
  const inside = literal.slice(1, -1)
  if (literal.startsWith('`')) return toGo(inside.replaceAll('\r', ''))
  return unescape(inside, '"')
}

function readRune(literal: string): bigint | undefined {
  const bytes = unescape(literal.slice(1, -1), "'")
  if (bytes === undefined) return undefined
  // `'\xff'` is the byte's number, not a character's.
  if (/^'\\(?:x[\da-fA-F]{2}|[0-7]{3})'$/.test(literal)) return BigInt(bytes.charCodeAt(0))
  const [first, ...more] = runes(bytes)
  return first === undefined || more.length > 0 ? undefined : BigInt(first.code)
}

function readInteger(text: string): bigint | undefined {
  const sign = text.startsWith('-') ? -1n : 1n
  const digits = text.replace(/^[+-]/, '')
  const isInteger =
    /^(?:0[xX](?:_?[\da-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?[0-7])*|[1-9](?:_?\d)*)$/
  if (!isInteger.test(digits)) return undefined
  const plain = digits.replaceAll('_', '').replace(/^0(?=[0-7])/, '0o')
  const value = sign * BigInt(plain)
  return value > LARGEST_INT || value < -LARGEST_INT - 1n ? undefined : value
}

function readFloat(text: string): number | undefined {
  const value = readHexFloat(text) ?? readDecimal(text)
  return Number.isFinite(value) ? value : undefined
}

function readHexFloat(text: string): number | undefined {
  const hex =
    /^([+-]?)0[xX](_?[\da-fA-F]+(?:_[\da-fA-F]+)*)?\.?([\da-fA-F]+(?:_[\da-fA-F]+)*)?[pP]([+-]?\d+(?:_\d+)*)$/.exec(
      text,
    )
  if (hex === null) return undefined
  const [sign, whole, fraction, exponent] = [1, 2, 3, 4].map((index) =>
    (hex[index] ?? '').replaceAll('_', ''),
  )
  if (whole === undefined || fraction === undefined || whole + fraction === '') return undefined
  const mantissa = Number.parseInt(whole + fraction, 16)
  const value = mantissa * 2 ** (Number(exponent) - 4 * fraction.length)
  return sign === '-' ? -value : value
}

function readDecimal(text: string): number | undefined {
  if (/_(?!\d)|(?<!\d)_/.test(text)) return undefined
  const digits = text.replaceAll('_', '')
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(digits)) return undefined
  return Number(digits)
}

const named: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
}

function unescape(text: string, quote: string): string | undefined {
  const pattern =
    /\\(?:([abfnrtv\\'"])|x([\da-fA-F]{2})|([0-7]{3})|u([\da-fA-F]{4})|U([\da-fA-F]{8}))|([^\\])/gu
  let bytes = ''
  let at = 0
  for (const [whole, name, hex, octal, short, long, plain] of text.matchAll(pattern)) {
    at += whole.length
    if (plain !== undefined) {
      if (plain === quote) return undefined
      bytes += toGo(plain)
    } else if (name !== undefined) {
      if (/['"]/.test(name) && name !== quote) return undefined
      bytes += named[name] ?? name
    } else if (hex !== undefined || octal !== undefined) {
      const code = hex === undefined ? Number.parseInt(octal ?? '', 8) : Number.parseInt(hex, 16)
      if (code > 255) return undefined
      bytes += String.fromCharCode(code)
    } else {
      const code = Number.parseInt(short ?? long ?? '', 16)
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined
      bytes += encodeRune(code)
    }
  }
  return at === text.length ? bytes : undefined
}
