import { TemplateError } from './template-error.ts'

export type TokenKind =
  | 'text'
  | 'left'
  | 'right'
  | 'space'
  | 'bool'
  | 'char'
  | 'rune'
  | 'string'
  | 'number'
  | 'field'
  | 'variable'
  | 'identifier'
  | 'keyword'
  | 'dot'
  | 'nil'
  | 'assign'
  | 'declare'
  | 'pipe'
  | 'open'
  | 'close'
  | 'eof'

export interface Token {
  readonly kind: TokenKind
  readonly text: string
  /** Where it begins in the template. */
  readonly at: number
}

/**
 * The tokens of a template, one after the other, trim markers and comments already applied.
 *
 * It is lazy so that of two mistakes the first in the text is reported. Spaces inside an action
 * are tokens: they part arguments.
 */
export function* lex(text: string): Generator<Token, Token> {
  let at = 0
  let isTrimming = false
  while (at < text.length) {
    const action = text.indexOf('{{', at)
    const end = action < 0 ? text.length : action
    const isTrimmedAfter = action >= 0 && /^-[ \t\r\n]/.test(text.slice(end + 2, end + 4))
    const plain = trimmed(text.slice(at, end), { isTrimming, isTrimmedAfter })
    if (plain !== '') yield { kind: 'text', text: plain, at }
    if (action < 0) break
    const inside = end + (isTrimmedAfter ? 4 : 2)
    if (text.startsWith('/*', inside)) {
      at = skipComment(text, inside)
    } else {
      yield { kind: 'left', text: '{{', at: end }
      at = yield* lexAction(text, inside)
    }
    isTrimming = /[ \t\r\n]-}}$/.test(text.slice(Math.max(inside, at - 4), at))
  }
  return { kind: 'eof', text: 'the end of the template', at: text.length }
}

function trimmed(
  text: string,
  { isTrimming, isTrimmedAfter }: { isTrimming: boolean; isTrimmedAfter: boolean },
): string {
  const start = isTrimming ? text.replace(/^[ \t\r\n]+/, '') : text
  return isTrimmedAfter ? start.replace(/[ \t\r\n]+$/, '') : start
}

function skipComment(text: string, at: number): number {
  const end = text.indexOf('*/', at + 2)
  if (end < 0) throw new TemplateError('parse', 'unclosed comment', { text, at })
  const close = /^(?:[ \t\r\n]-)?}}/.exec(text.slice(end + 2, end + 6))
  if (close === null) {
    throw new TemplateError('parse', 'a comment ends before its closing delimiter', { text, at })
  }
  return end + 2 + close[0].length
}

const CLOSE = /(?:[ \t\r\n]-)?}}/y
/** What may follow a word; anything else, as in `$x+2`, is a mistake. */
const TERMINATOR = /[ \t\r\n.,|:()]|}}|$/y
/**
 * The first that matches counts. Whether a number is one is seen when it is read. Made when the first
 * template is read: the classes of Unicode cost a millisecond, which most starts need not spend.
 */
function tokens(): readonly (readonly [kind: TokenKind, pattern: RegExp])[] {
  return [
    ['space', /[ \t\r\n]+?(?=[ \t\r\n]-}}|[^ \t\r\n]|$)/y],
    ['declare', /:=/y],
    ['assign', /=/y],
    ['pipe', /\|/y],
    ['string', /"(?:\\[^\n]|[^"\\\n])*"/y],
    ['string', /`[^`]*`/y],
    ['rune', /'(?:\\[^\n]|[^'\\\n])*'/y],
    ['number', /[+-]?\.?\d[\w.]*(?:(?<=[eEpP])[+-]\w*)?/y],
    ['variable', /\$[\p{L}\p{Nd}_]*/uy],
    ['field', /\.[\p{L}\p{Nd}_]*/uy],
    ['identifier', /[\p{L}\p{Nd}_]+/uy],
    ['open', /\(/y],
    ['close', /\)/y],
    ['char', /[!-~]/y],
  ]
}
let made: ReturnType<typeof tokens> | undefined
const WORDS = new Set(['variable', 'field', 'identifier'])
const KEYWORDS = new Set([
  'block',
  'break',
  'continue',
  'define',
  'else',
  'end',
  'if',
  'range',
  'template',
  'with',
])

function* lexAction(text: string, from: number): Generator<Token, number> {
  let depth = 0
  for (let at = from; ;) {
    const close = match(CLOSE, text, at)
    if (close !== undefined) {
      if (depth > 0) throw new TemplateError('parse', 'unclosed left paren', { text, at })
      yield { kind: 'right', text: '}}', at }
      return at + close.length
    }
    if (at >= text.length) throw new TemplateError('parse', 'unclosed action', { text, at: from })
    const token = tokenAt(text, at)
    if (token.kind === 'open') depth++
    if (token.kind === 'close' && --depth < 0) {
      throw new TemplateError('parse', 'unexpected right paren', { text, at })
    }
    yield token
    at += token.text.length
  }
}

function tokenAt(text: string, at: number): Token {
  for (const [kind, pattern] of (made ??= tokens())) {
    const found = match(pattern, text, at)
    if (found === undefined) continue
    if (kind === 'char' && /["`']/.test(found)) {
      throw new TemplateError('parse', `unterminated ${found} quotation`, { text, at })
    }
    if (WORDS.has(kind)) {
      if (match(TERMINATOR, text, at + found.length) === undefined) {
        throw new TemplateError('parse', 'bad character', { text, at: at + found.length })
      }
      return { kind: wordKind(kind, found), text: found, at }
    }
    return { kind, text: found, at }
  }
  throw new TemplateError('parse', 'unrecognized character in action', { text, at })
}

function wordKind(kind: TokenKind, word: string): TokenKind {
  if (kind === 'field') return word === '.' ? 'dot' : 'field'
  if (kind === 'variable') return 'variable'
  if (KEYWORDS.has(word)) return 'keyword'
  if (word === 'nil') return 'nil'
  return word === 'true' || word === 'false' ? 'bool' : 'identifier'
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}
