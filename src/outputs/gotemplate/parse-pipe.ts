import type { Token, TokenKind } from './lex.ts'
import { readNumber, readString } from './literals.ts'
import type { Command, Operand, Pipe } from './nodes.ts'
import type { TokenReader } from './token-reader.ts'

/** What a pipeline may name. */
export interface Scope {
  readonly functions: ReadonlySet<string>
  /** With their `$`; a pipeline adds those that it declares. */
  variables: string[]
}

/** Reads a pipeline and the token that ends it; the context is what messages call its surroundings. */
export type ParsePipe = (context: string, end: TokenKind) => Pipe

/** How far parentheses and actions may be nested: nobody writes more, and our own stack ends somewhere. */
export const DEEPEST = 400
export const TOO_DEEP = `nested more than ${DEEPEST} deep`

/** A reader of pipelines over the tokens of a template. */
export function pipeParser(tokens: TokenReader, scope: Scope): ParsePipe {
  let depth = 0
  return parsePipe

  function parsePipe(context: string, end: TokenKind): Pipe {
    const start = tokens.peekNonSpace().at
    if (++depth > DEEPEST) tokens.fail({ at: start }, TOO_DEEP)
    const { names, isAssignment } = parseVariables(context)
    const commands: Command[] = []
    for (;;) {
      const token = tokens.nextNonSpace()
      if (token.kind === end) {
        if (commands.length === 0) tokens.fail(token, `missing value for ${context}`)
        break
      }
      if (!STARTS_OPERAND.has(token.kind)) tokens.unexpected(token, context)
      tokens.back()
      commands.push(parseCommand())
    }
    for (const { words, at } of commands.slice(1)) {
      if (['bool', 'dot', 'nil', 'number', 'string'].includes(words[0].kind)) {
        tokens.fail({ at }, 'a value stands in a pipeline where a function is needed')
      }
    }
    depth--
    return { kind: 'pipe', at: start, variables: names, isAssignment, commands }
  }

  function parseVariables(context: string): { names: readonly string[]; isAssignment: boolean } {
    const names: string[] = []
    while (tokens.ahead(isDeclaration)) {
      const variable = tokens.nextNonSpace()
      const operator = tokens.nextNonSpace()
      names.push(variable.text)
      if (operator.kind !== 'char') {
        scope.variables.push(...names)
        return { names, isAssignment: operator.kind === 'assign' }
      }
      if (context !== 'range' || names.length === 2) {
        tokens.fail(variable, `too many declarations in ${context}`)
      }
      if (!tokens.ahead(isDeclaration)) tokens.fail(variable, 'range can only initialize variables')
    }
    return { names, isAssignment: false }
  }

  /** A variable and `:=`, `=` or a comma: anything else is an argument. */
  function isDeclaration(): boolean {
    if (tokens.nextNonSpace().kind !== 'variable') return false
    const { kind, text } = tokens.nextNonSpace()
    return kind === 'declare' || kind === 'assign' || (kind === 'char' && text === ',')
  }

  function parseCommand(): Command {
    const start = tokens.peekNonSpace().at
    const words: Operand[] = []
    for (;;) {
      tokens.peekNonSpace()
      const operand = parseOperand()
      if (operand !== undefined) words.push(operand)
      const token = tokens.next()
      if (token.kind === 'space') continue
      if (token.kind === 'right' || token.kind === 'close') tokens.back()
      else if (token.kind !== 'pipe') tokens.unexpected(token, 'operand')
      break
    }
    const [first, ...rest] = words
    if (first === undefined) return tokens.fail({ at: start }, 'empty command')
    return { at: start, words: [first, ...rest] }
  }

  function parseOperand(): Operand | undefined {
    const term = parseTerm()
    if (term === undefined || tokens.peek().kind !== 'field') return term
    const start = tokens.peek().at
    const fields: string[] = []
    while (tokens.peek().kind === 'field') fields.push(tokens.next().text.slice(1))
    switch (term.kind) {
      case 'field':
      case 'variable':
        return { ...term, at: start, fields: [...term.fields, ...fields] }
      case 'bool':
      case 'number':
      case 'string':
      case 'nil':
      case 'dot':
        return tokens.fail({ at: start }, `unexpected . after a ${term.kind}`)
      case 'chain':
      case 'function':
      case 'pipe':
        return { kind: 'chain', at: start, of: term, fields }
      default:
        return term satisfies never
    }
  }

  function parseTerm(): Operand | undefined {
    const token = tokens.nextNonSpace()
    const { text: word } = token
    switch (token.kind) {
      case 'identifier':
        if (!scope.functions.has(word)) tokens.fail(token, `there is no function ${word}`)
        return { kind: 'function', at: token.at, name: word }
      case 'dot':
      case 'nil':
        return { kind: token.kind, at: token.at }
      case 'bool':
        return { kind: 'bool', at: token.at, value: word === 'true' }
      case 'variable':
        known(word, token)
        return { kind: 'variable', at: token.at, name: word, fields: [] }
      case 'field':
        return { kind: 'field', at: token.at, fields: [word.slice(1)] }
      case 'rune':
      case 'number':
        return {
          kind: 'number',
          at: token.at,
          value: readNumber(word) ?? tokens.fail(token, `${word} is no number that fits`),
        }
      case 'string':
        return {
          kind: 'string',
          at: token.at,
          value: readString(word) ?? tokens.fail(token, 'malformed string'),
        }
      case 'open':
        return parsePipe('parenthesized pipeline', 'close')
      default:
        tokens.back()
        return undefined
    }
  }

  function known(name: string, token: Token): void {
    if (!scope.variables.includes(name)) tokens.fail(token, `undefined variable ${name}`)
  }
}

const STARTS_OPERAND: ReadonlySet<TokenKind> = new Set([
  ...(['bool', 'rune', 'dot', 'field', 'identifier'] as const),
  ...(['number', 'nil', 'string', 'variable', 'open'] as const),
])
