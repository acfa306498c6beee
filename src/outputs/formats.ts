import { isUtf8 } from 'node:buffer'
import { OutputError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { dotenvLine } from './dotenv.ts'
import { fromGo, goQuote, toGo } from './go-quote.ts'

/** The formats that put several values in one file by a fixed rule. */
export type ListFormat = 'yaml' | 'json' | 'dotenv' | 'bash' | 'properties'

/** One value under the name that the application knows it by. */
export interface FormatEntry {
  readonly alias: string
  readonly value: Secret
}

export interface FormatOptions {
  readonly format: ListFormat
  /** For messages. */
  readonly group: string
  /**
   * `secrets-provider` gives that program's bytes whatever they mean to a reader: Go's `%q` in
   * every format. `safe` gives the same bytes wherever a reader gets the value back from them.
   */
  readonly compatibility: 'safe' | 'secrets-provider'
}

/**
 * The bytes of a secret file, without a newline at the end.
 *
 * Throws OUTPUT_UNFIT, naming group and alias, where the format has no way to carry a value.
 */
export function renderList(entries: readonly FormatEntry[], options: FormatOptions): Buffer {
  const { format, compatibility } = options
  const write = compatibility === 'safe' ? writers[format] : incumbentWriters[format]
  const lines = entries.map(({ alias, value }) => {
    const bytes = value.bytes().toString('latin1')
    const line =
      compatibility === 'safe' && format !== 'bash' && !isUtf8(value.bytes())
        ? { unfit: 'is not UTF-8 text' }
        : write(toGo(alias), bytes)
    if (typeof line === 'string') return line
    throw unfit(alias, line.unfit, options)
  })
  const text = format === 'json' ? `{${lines.join(',')}}` : lines.join('\n')
  return Buffer.from(text, 'latin1')
}

/** Why an alias cannot stand in a file of this format; undefined if it can. */
export function aliasProblem(format: ListFormat, alias: string): string | undefined {
  switch (format) {
    case 'yaml':
      if (Buffer.byteLength(alias) > 1024) return 'is longer than 1024 bytes'
      return /^[\t\n\r\x20-\x7e\x85\u{a0}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]*$/u.test(
        alias,
      )
        ? undefined
        : 'holds a character that YAML does not allow'
    case 'json':
      if (Buffer.byteLength(alias) > 2_097_152) return 'is longer than 2097152 bytes'
      return /^[^\0-\x1f\x7f"\\]*$/.test(alias)
        ? undefined
        : 'holds a control character, a double quote or a backslash'
    case 'properties':
      return /^[a-zA-Z_][\w.]*$/.test(alias)
        ? undefined
        : 'is no property name: letters, digits, _ and ., the first a letter or _'
    case 'dotenv':
    case 'bash':
      return /^[a-zA-Z_]\w*$/.test(alias)
        ? undefined
        : 'is no variable name: letters, digits and _, the first no digit'
    default:
      return format satisfies never
  }
}

/** A line of a file as a Go string, or why there can be none. Alias and value are Go strings too. */
type Writer = (alias: string, value: string) => string | { readonly unfit: string }

const incumbentWriters: Readonly<Record<ListFormat, Writer>> = {
  yaml: (alias, value) => `${goQuote(alias)}: ${goQuote(value)}`,
  json: (alias, value) => `${goQuote(alias)}:${goQuote(value)}`,
  dotenv: (alias, value) => `${alias}=${goQuote(value)}`,
  bash: (alias, value) => `export ${alias}=${goQuote(value)}`,
  properties: (alias, value) => `${alias}=${goQuote(value)}`,
}

const writers: Readonly<Record<ListFormat, Writer>> = {
  yaml: incumbentWriters.yaml,
  json: (alias, value) => `${jsonQuote(alias)}:${jsonQuote(value)}`,
  dotenv: (alias, value) => dotenvLine(alias, fromGo(value)),
  bash: (alias, value) =>
    value.includes('\0')
      ? { unfit: 'holds a NUL byte, which no shell variable can' }
      : `export ${alias}=${shellQuote(value)}`,
  properties: (alias, value) => `${alias}=${propertyValue(fromGo(value))}`,
}

/** Go's quoting, with the four escapes that JSON does not know written as JSON knows them. */
function jsonQuote(value: string): string {
  const quoted = goQuote(value)
  if (!quoted.includes('\\')) return quoted
  return quoted.replaceAll(
    /\\(?:x([0-9a-f]{2})|U([0-9a-f]{8})|[^])/g,
    (escape: string, byte?: string, rune?: string) => {
      if (escape === '\\a') return '\\u0007'
      if (escape === '\\v') return '\\u000b'
      if (byte !== undefined) return `\\u00${byte}`
      return rune === undefined ? escape : utf16Escapes(String.fromCodePoint(parseInt(rune, 16)))
    },
  )
}

/** Go's quoting where a shell reads the same value out of it, else single quotes, in which nothing is special. */
function shellQuote(value: string): string {
  const quoted = goQuote(value)
  if (/^"(?:[^\\$`]|\\["\\])*"$/.test(quoted)) return quoted
  return `'${value.replaceAll("'", String.raw`'\''`)}'`
}

/** ASCII alone: java.util.Properties reads a stream as Latin-1 and a reader as whatever it was opened with. */
function propertyValue(text: string): string {
  const escapes: Readonly<Record<string, string>> = {
    '\\': '\\\\',
    '\t': '\\t',
    '\n': '\\n',
    '\f': '\\f',
    '\r': '\\r',
  }
  return text
    .replaceAll(/[\\\t\n\f\r]/g, (character) => escapes[character] ?? character)
    .replace(/^ /, '\\ ')
    .replaceAll(/[^ -~]/g, utf16Escapes)
}

function utf16Escapes(text: string): string {
  return Array.from(
    { length: text.length },
    (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('')
}

function unfit(alias: string, why: string, { format, group }: FormatOptions): OutputError {
  return new OutputError(
    'OUTPUT_UNFIT',
    `the value of ${alias} in group ${group} ${why}: ${format} cannot carry it`,
    {
      hint: `give the group another format (conjur.org/secret-file-format.${group}: plain carries any bytes)`,
      facts: { group, alias, format },
    },
  )
}
