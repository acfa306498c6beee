import { isPrint, runes } from '../go-quote.ts'
import { CallError } from './call-error.ts'
import { followed, format, sprint, sprintln } from './print.ts'
import { sprintf } from './sprintf.ts'
import { isTrue, typeName, type Value } from './value.ts'

/** What a function takes in a place: a Go string, or anything. */
export type Parameter = 'string' | 'any'

export interface Signature {
  /** The last one stands for any number of arguments where the function is variadic. */
  readonly parameters: readonly Parameter[]
  readonly isVariadic: boolean
}

/** Go's built-in functions but `and` and `or`, which do not evaluate all their arguments. */
export function callFunction(name: string, values: readonly Value[]): Value {
  const own = builtins[name]
  if (own === undefined) throw new Error(`no function ${name}`)
  return own.call(values)
}

/** How many arguments a function takes and of which kind; one that is not built in takes one string. */
export function parametersOf(name: string): Signature {
  return builtins[name] ?? { parameters: ['string'], isVariadic: false }
}

interface Builtin extends Signature {
  readonly call: (values: readonly Value[]) => Value
}

const builtins: Readonly<Record<string, Builtin>> = {
  not: fixed(1, ([value]) => !isTrue(value)),
  len: fixed(1, ([value]) => BigInt(length(value))),
  index: variadic(1, ([item, ...keys]) => keys.reduce(index, present(item, 'index'))),
  slice: variadic(1, ([item, ...ends]) => slice(present(item, 'slice'), ends)),
  call: variadic(1, ([value]) => {
    throw new CallError(`a value of type ${typeName(value)} is no function`)
  }),
  print: variadic(0, sprint),
  println: variadic(0, sprintln),
  printf: {
    parameters: ['string', 'any'],
    isVariadic: true,
    call: ([pattern, ...values]) => sprintf(goString(pattern), values),
  },
  html: variadic(0, (values) => escapeHtml(textOf(values))),
  js: variadic(0, (values) => escapeJs(textOf(values))),
  urlquery: variadic(0, (values) => escapeQuery(textOf(values))),
  eq: variadic(1, ([value, ...others]) => {
    if (others.length === 0) throw new CallError('missing argument for comparison')
    return others.some((other) => isEqual(value, other))
  }),
  ne: fixed(2, ([one, other]) => !isEqual(one, other)),
  lt: fixed(2, ([one, other]) => isLess(one, other)),
  le: fixed(2, ([one, other]) => isLess(one, other) || isEqual(one, other)),
  gt: fixed(2, ([one, other]) => !isLess(one, other) && !isEqual(one, other)),
  ge: fixed(2, ([one, other]) => !isLess(one, other)),
}

/** The names of all functions that Go itself brings. */
export const builtinNames: readonly string[] = ['and', 'or', ...Object.keys(builtins)]

/** An argument whose parameter says that it is a Go string. */
export function goString(value: Value): string {
  if (typeof value !== 'string') throw new Error('an unchecked argument')
  return value
}

function fixed(count: number, call: Builtin['call']): Builtin {
  return { parameters: Array.from({ length: count }, () => 'any'), isVariadic: false, call }
}

function variadic(least: number, call: Builtin['call']): Builtin {
  return { parameters: Array.from({ length: least + 1 }, () => 'any'), isVariadic: true, call }
}

function present(value: Value, what: string): Value {
  if (value === undefined) throw new CallError(`${what} of untyped nil`)
  return value
}

function length(value: Value): number {
  if (typeof value === 'string') return value.length
  if (typeof value === 'object' && value.kind === 'list') return value.items.length
  if (typeof value === 'object' && value.kind === 'map') return value.entries.size
  throw new CallError(`a value of type ${typeName(value)} has no length`)
}

function index(item: Value, key: Value): Value {
  if (typeof item === 'string') {
    const at = position(key, item.length)
    // Go checks against the length, then reads: one past the end is out of range as well.
    if (at === item.length) throw new CallError('index out of range')
    return { kind: 'byte', code: item.charCodeAt(at) }
  }
  if (typeof item === 'object' && item.kind === 'list') {
    const at = position(key, item.items.length)
    if (at === item.items.length) throw new CallError('index out of range')
    return item.items[at]
  }
  if (typeof item === 'object' && item.kind === 'map') {
    if (typeof key !== 'string') {
      throw new CallError(`a value of type ${typeName(key)} is no key of ${item.type}`)
    }
    return item.entries.get(key) ?? { kind: 'nil', type: item.type.replace(/^map\[string\]/, '') }
  }
  if (typeof item === 'object' && item.kind === 'nil') throw new CallError('index of nil pointer')
  throw new CallError(`can't index a value of type ${typeName(item)}`)
}

function slice(item: Value, ends: readonly Value[]): Value {
  if (ends.length > 3) throw new CallError('too many slice indexes')
  const isString = typeof item === 'string'
  if (!isString && !(typeof item === 'object' && item.kind === 'list')) {
    throw new CallError(`can't slice a value of type ${typeName(item)}`)
  }
  if (isString && ends.length === 3) throw new CallError('cannot 3-index slice a string')
  const size = length(item)
  const [from = 0, to = size, limit = size] = ends.map((end) => position(end, size))
  if (from > to || to > limit) throw new CallError('invalid slice index')
  return isString ? item.slice(from, to) : { ...item, items: item.items.slice(from, to) }
}

/** An index into something of a size. The numbers stay out of the message: a length is part of a value. */
function position(value: Value, size: number): number {
  const at =
    typeof value === 'bigint'
      ? Number(value)
      : typeof value === 'object' && value.kind === 'byte'
        ? value.code
        : undefined
  if (at === undefined) throw new CallError(`a value of type ${typeName(value)} is no index`)
  if (at < 0 || at > size) throw new CallError('index out of range')
  return at
}

/** Bytes count as the integers that they are. */
function widened(value: Value): Value {
  return typeof value === 'object' && value.kind === 'byte' ? BigInt(value.code) : value
}

function isNothing(value: Value): boolean {
  return value === undefined || (typeof value === 'object' && value.kind === 'nil')
}

function isEqual(one: Value, other: Value): boolean {
  const left = widened(one)
  const right = widened(other)
  if (isNothing(left) || isNothing(right)) return isNothing(left) === isNothing(right)
  if (typeof left !== typeof right) throw incomparable(one, other)
  if (typeof left !== 'object' || typeof right !== 'object') return left === right
  // Pointers compare by identity; what they lead to, lists and maps not at all.
  const arePointers =
    left.kind === 'struct' && left.isPointer && right.kind === 'struct' && right.isPointer
  if (!arePointers) throw incomparable(one, other)
  return left === right
}

function isLess(one: Value, other: Value): boolean {
  const left = widened(one)
  const right = widened(other)
  if (typeof left === 'string' && typeof right === 'string') return left < right
  if (typeof left === 'bigint' && typeof right === 'bigint') return left < right
  if (typeof left === 'number' && typeof right === 'number') return left < right
  throw incomparable(one, other)
}

function incomparable(one: Value, other: Value): CallError {
  return new CallError(`values of type ${typeName(one)} and ${typeName(other)} have no comparison`)
}

function textOf(values: readonly Value[]): string {
  const [first] = values
  if (values.length === 1 && typeof first === 'string') return first
  return sprint(values.map((value) => (value === undefined ? format(value) : followed(value))))
}

const htmlEscapes: Readonly<Record<string, string>> = {
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '\0': '\xef\xbf\xbd',
}

function escapeHtml(text: string): string {
  return text.replaceAll(/["'&<>\0]/g, (character) => htmlEscapes[character] ?? character)
}

function escapeJs(text: string): string {
  let escaped = ''
  let at = 0
  for (const { code, width } of runes(text)) {
    const raw = text.slice(at, at + width)
    at += width
    if (/^[\\'"]$/.test(raw)) escaped += `\\${raw}`
    else if (code < 0x20 || /^[<>&=]$/.test(raw) || (code >= 0x80 && !isPrint(code))) {
      escaped += `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`
    } else {
      escaped += raw
    }
  }
  return escaped
}

function escapeQuery(text: string): string {
  return text
    .replaceAll(/[^\w.~ -]/g, (byte) => {
      return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
    })
    .replaceAll(' ', '+')
}
