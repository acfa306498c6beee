import {
  encodeRune,
  goQuote,
  goQuoteAscii,
  goQuoteRune,
  isPrint,
  runes,
  toGo,
} from '../go-quote.ts'
import { CallError } from './call-error.ts'
import { formatFloat } from './float.ts'
import { typeName, type Struct, type Value } from './value.ts'

/** A value as a template's text shows it: pointers followed, nothing as `<no value>`. */
export function format(value: Value): string {
  return value === undefined ? '<no value>' : formatWith(followed(value), 'v', noFlags)
}

/** The value behind a pointer, as far as it is one. */
export function followed(value: Value): Value {
  return typeof value === 'object' && value.kind === 'struct' && value.isPointer
    ? { ...value, isPointer: false }
    : value
}

/** `fmt.Sprint`: a space between two operands of which neither is a string. */
export function sprint(values: readonly Value[]): string {
  let text = ''
  values.forEach((value, index) => {
    const isParted = index > 0 && typeof value !== 'string' && typeof values[index - 1] !== 'string'
    text += (isParted ? ' ' : '') + formatWith(value, 'v', noFlags)
  })
  return text
}

/** `fmt.Sprintln`: a space between all operands, a newline behind them. */
export function sprintln(values: readonly Value[]): string {
  return `${values.map((value) => formatWith(value, 'v', noFlags)).join(' ')}\n`
}

/** What stands between `%` and the verb. */
export interface Flags {
  sharp: boolean
  zero: boolean
  plus: boolean
  minus: boolean
  space: boolean
  width: number | undefined
  precision: number | undefined
}

export const noFlags: Readonly<Flags> = {
  sharp: false,
  zero: false,
  plus: false,
  minus: false,
  space: false,
  width: undefined,
  precision: undefined,
}

/** A value as a verb and its flags show it. */
export function formatWith(value: Value, verb: string, flags: Readonly<Flags>): string {
  if (verb === 'T') return pad(toGo(value === undefined ? '<nil>' : typeName(value)), flags)
  switch (typeof value) {
    case 'undefined':
      return verb === 'v' ? pad('<nil>', flags) : badVerb(value, verb, flags)
    case 'string':
      return formatString(value, verb, flags)
    case 'boolean':
      return verb === 't' || verb === 'v' ? pad(String(value), flags) : badVerb(value, verb, flags)
    case 'bigint':
      return formatInteger(value, verb, { value, flags })
    case 'number':
      return formatNumber(value, verb, flags)
    default:
      break
  }
  switch (value.kind) {
    case 'byte':
      return formatInteger(BigInt(value.code), verb, { value, flags })
    case 'nil':
      return verb === 'v' ? pad('<nil>', flags) : `%!${verb}(${value.type}=<nil>)`
    case 'struct':
      return formatStruct(value, verb, flags)
    case 'list':
    case 'map':
      throw new CallError(`a value of type ${value.type} has no text of its own: range over it`)
    default:
      return value satisfies never
  }
}

function badVerb(value: Value, verb: string, flags: Readonly<Flags>): string {
  return `%!${verb}(${withType(value, { ...flags, sharp: false })})`
}

/** A value with its type in front, for Go's complaints inside the text. */
export function withType(value: Value, flags: Readonly<Flags> = noFlags): string {
  if (value === undefined) return '<nil>'
  return `${typeName(value)}=${formatWith(value, 'v', flags)}`
}

function formatStruct(value: Struct, verb: string, flags: Readonly<Flags>): string {
  const fields = [...value.fields].map(([name, field]) => {
    if (typeof field !== 'string')
      throw new CallError(`a value of type ${value.type} has no text of its own`)
    const text = formatWith(field, verb, flags)
    return verb === 'v' && (flags.plus || flags.sharp) ? `${name}:${text}` : text
  })
  const isSource = verb === 'v' && flags.sharp
  const type = isSource ? value.type : ''
  return `${value.isPointer ? '&' : ''}${type}{${fields.join(isSource ? ', ' : ' ')}}`
}

function formatString(value: string, verb: string, flags: Readonly<Flags>): string {
  switch (verb) {
    case 'v':
      return pad(flags.sharp ? goQuote(value) : cut(value, flags), flags)
    case 's':
      return pad(cut(value, flags), flags)
    case 'q':
      return pad(quote(cut(value, flags), flags), flags)
    case 'x':
    case 'X':
      return pad(hexBytes(value, verb, flags), flags)
    default:
      return badVerb(value, verb, flags)
  }
}

function quote(value: string, flags: Readonly<Flags>): string {
  if (flags.sharp && canStandInBackquotes(value)) return `\`${value}\``
  return flags.plus ? goQuoteAscii(value) : goQuote(value)
}

function canStandInBackquotes(value: string): boolean {
  for (const { code, width } of runes(value)) {
    if (width > 1 ? code === 0xfeff : code === 0xfffd) return false
    if ((code < 0x20 && code !== 9) || code === 0x60 || code === 0x7f) return false
  }
  return true
}

function hexBytes(value: string, verb: 'x' | 'X', flags: Readonly<Flags>): string {
  const bytes = Array.from(value.slice(0, flags.precision), (byte) =>
    byte.charCodeAt(0).toString(16).padStart(2, '0'),
  )
  if (bytes.length === 0) return ''
  const prefix = flags.sharp ? '0x' : ''
  const text = flags.space ? bytes.map((byte) => prefix + byte).join(' ') : prefix + bytes.join('')
  return verb === 'X' ? text.toUpperCase() : text
}

function formatInteger(
  number: bigint,
  verb: string,
  { value, flags }: { value: Value; flags: Readonly<Flags> },
): string {
  switch (verb) {
    case 'v':
      return digits(number, { base: 10, prefix: '' }, { ...flags, plus: false })
    case 'd':
      return digits(number, { base: 10, prefix: '' }, flags)
    case 'b':
      return digits(number, { base: 2, prefix: flags.sharp ? '0b' : '' }, flags)
    case 'o':
      return digits(number, { base: 8, prefix: flags.sharp ? '0' : '' }, flags)
    case 'O':
      return digits(number, { base: 8, prefix: '0o' }, flags)
    case 'x':
      return digits(number, { base: 16, prefix: flags.sharp ? '0x' : '' }, flags)
    case 'X':
      return digits(number, { base: 16, prefix: flags.sharp ? '0X' : '' }, flags).toUpperCase()
    case 'c':
      return pad(encodeRune(Number(number)), flags)
    case 'q':
      return pad(goQuoteRune(Number(number), flags.plus), flags)
    case 'U':
      return pad(unicode(number, flags), { ...flags, zero: false })
    default:
      return badVerb(value, verb, flags)
  }
}

function digits(
  number: bigint,
  { base, prefix }: { base: number; prefix: string },
  flags: Readonly<Flags>,
): string {
  const sign = number < 0n ? '-' : flags.plus ? '+' : flags.space ? ' ' : ''
  if (flags.precision === 0 && number === 0n) return ' '.repeat(flags.width ?? 0)
  const isZeroPadded = flags.precision === undefined && flags.zero && !flags.minus
  const least = isZeroPadded ? (flags.width ?? 0) - sign.length : (flags.precision ?? 0)
  const text = (number < 0n ? -number : number).toString(base).padStart(least, '0')
  const isPrefixed = !(prefix === '0' && text.startsWith('0'))
  return pad(sign + (isPrefixed ? prefix : '') + text, { ...flags, zero: false })
}

function unicode(number: bigint, flags: Readonly<Flags>): string {
  const code = Number(number)
  const hex = BigInt.asUintN(64, number).toString(16).toUpperCase()
  const text = `U+${hex.padStart(Math.max(flags.precision ?? 4, 4), '0')}`
  return flags.sharp && code <= 0x10ffff && isPrint(code) ? `${text} '${encodeRune(code)}'` : text
}

function formatNumber(value: number, verb: string, flags: Readonly<Flags>): string {
  if (flags.sharp) throw new CallError('the flag # of a floating-point number is not supported')
  switch (verb) {
    case 'v':
      return signed(formatFloat(value, 'g', flags.precision), { ...flags, plus: false })
    case 'g':
    case 'G':
      return signed(cased(formatFloat(value, 'g', flags.precision), verb), flags)
    case 'e':
    case 'E':
      return signed(cased(formatFloat(value, 'e', flags.precision ?? 6), verb), flags)
    case 'f':
    case 'F':
      return signed(formatFloat(value, 'f', flags.precision ?? 6), flags)
    case 'b':
    case 'x':
    case 'X':
      throw new CallError(`%${verb} of a floating-point number is not supported`)
    default:
      return badVerb(value, verb, flags)
  }
}

function cased(text: string, verb: string): string {
  return verb === verb.toUpperCase() ? text.toUpperCase() : text
}

function signed(text: string, flags: Readonly<Flags>): string {
  const isFinite = /\d/.test(text)
  const size = text.replace(/^[+-]/, '')
  const sign = text.startsWith('-') ? '-' : flags.plus ? '+' : flags.space ? ' ' : ''
  if (!flags.zero || flags.minus || !isFinite) {
    return pad(text === '+Inf' ? `${sign === '' ? '+' : sign}Inf` : sign + size, {
      ...flags,
      zero: false,
    })
  }
  return sign + size.padStart((flags.width ?? 0) - sign.length, '0')
}

/** The first characters of a string, as many as the precision says. */
function cut(value: string, { precision }: Readonly<Flags>): string {
  if (precision === undefined) return value
  let end = 0
  let count = 0
  for (const { width } of runes(value)) {
    if (count++ === precision) break
    end += width
  }
  return value.slice(0, end)
}

function pad(text: string, { width, minus, zero }: Readonly<Flags>): string {
  // Most texts are of no asked width, and some are long.
  if (width === undefined) return text
  const missing = width - [...runes(text.slice(0, 4 * width))].length
  if (missing <= 0) return text
  if (minus) return text + ' '.repeat(missing)
  return (zero ? '0' : ' ').repeat(missing) + text
}
