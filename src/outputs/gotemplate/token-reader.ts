import { lex, type Token, type TokenKind } from './lex.ts'
import { TemplateError } from './template-error.ts'

/** The tokens of a template with as much looking ahead and going back as a parser wants. */
export interface TokenReader {
  peek(): Token
  next(): Token
  /** The next token that is no space; spaces before it are passed over. */
  peekNonSpace(): Token
  nextNonSpace(): Token
  /** Gives the last token back. */
  back(): void
  /** Looks at what follows without moving. */
  ahead<Result>(look: () => Result): Result
  expect(kind: TokenKind, context: string): Token
  /** Throw a TemplateError that points to a token. */
  unexpected(token: Token, context: string): never
  fail(place: { readonly at: number }, message: string): never
}

/** Reads the tokens of a template. */
export function tokenReader(text: string): TokenReader {
  const tokens = lex(text)
  const read: Token[] = []
  let at = 0
  return { peek, next, peekNonSpace, nextNonSpace, back, ahead, expect, unexpected, fail }

  function peek(): Token {
    while (read.length <= at) read.push(tokens.next().value)
    return read[at] ?? fail({ at: text.length }, 'no token')
  }

  function next(): Token {
    const token = peek()
    at++
    return token
  }

  function peekNonSpace(): Token {
    while (peek().kind === 'space') at++
    return peek()
  }

  function nextNonSpace(): Token {
    peekNonSpace()
    return next()
  }

  function back(): void {
    at--
  }

  function ahead<Result>(look: () => Result): Result {
    const start = at
    const result = look()
    at = start
    return result
  }

  function expect(kind: TokenKind, context: string): Token {
    const token = nextNonSpace()
    return token.kind === kind ? token : unexpected(token, context)
  }

  function unexpected(token: Token, context: string): never {
    return fail(token, `unexpected ${token.text} in ${context}`)
  }

  function fail(place: { readonly at: number }, message: string): never {
    throw new TemplateError('parse', message, { text, at: place.at })
  }
}
