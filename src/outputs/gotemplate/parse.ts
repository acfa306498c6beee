import { toGo } from '../go-quote.ts'
import type { Token } from './lex.ts'
import { readString } from './literals.ts'
import type { Branch, Node, Tree } from './nodes.ts'
import { DEEPEST, pipeParser, TOO_DEEP } from './parse-pipe.ts'
import { tokenReader, type TokenReader } from './token-reader.ts'

/**
 * Reads a template. `functions` are the names that may be called.
 *
 * Throws a TemplateError at the first mistake.
 */
export function parse(text: string, functions: ReadonlySet<string>): Tree {
  const tokens: TokenReader = tokenReader(text)
  const scope = { functions, variables: ['$'] }
  const parsePipe = pipeParser(tokens, scope)
  let ranges = 0
  let depth = 0
  const defined = new Map<string, readonly Node[]>()
  return { text, root: parseRoot(), defined }

  function parseRoot(): readonly Node[] {
    const nodes: Node[] = []
    while (tokens.peek().kind !== 'eof') {
      if (tokens.ahead(isDefinition)) {
        parseDefinition()
        continue
      }
      const node = parseTextOrAction()
      if (isTerminator(node)) tokens.fail(node, `unexpected {{${node.text}}}`)
      nodes.push(node)
    }
    return nodes
  }

  function isDefinition(): boolean {
    return tokens.next().kind === 'left' && tokens.nextNonSpace().text === 'define'
  }

  function parseDefinition(): void {
    tokens.next()
    const keyword = tokens.nextNonSpace()
    const name = parseName('define clause')
    tokens.expect('right', 'define clause')
    const body = inItsOwnScope(() => parseBodyToEnd('define clause'))
    define(name, body, keyword)
  }

  function define(name: string, body: readonly Node[], token: Token): void {
    const known = defined.get(name)
    if (known === undefined || isBlank(known)) defined.set(name, body)
    else if (!isBlank(body)) tokens.fail(token, `template ${JSON.stringify(name)} is defined twice`)
  }

  function parseBodyToEnd(context: string): readonly Node[] {
    const { nodes, terminator } = parseList()
    if (terminator.text !== 'end') tokens.fail(terminator, `unexpected {{else}} in ${context}`)
    return nodes
  }

  /** Definitions see no variables and no loop of what surrounds them. */
  function inItsOwnScope<Result>(act: () => Result): Result {
    const outer = { variables: scope.variables, ranges }
    scope.variables = ['$']
    ranges = 0
    const result = act()
    scope.variables = outer.variables
    ranges = outer.ranges
    return result
  }

  function parseList(): { readonly nodes: readonly Node[]; readonly terminator: Token } {
    const nodes: Node[] = []
    if (++depth > DEEPEST) tokens.fail(tokens.peek(), TOO_DEEP)
    while (tokens.peekNonSpace().kind !== 'eof') {
      const node = parseTextOrAction()
      if (isTerminator(node)) {
        depth--
        return { nodes, terminator: node }
      }
      nodes.push(node)
    }
    return tokens.fail(tokens.peek(), 'unexpected end of the template: an {{end}} is missing')
  }

  function parseTextOrAction(): Node | Token {
    const token = tokens.nextNonSpace()
    if (token.kind === 'text') return { kind: 'text', bytes: toGo(token.text) }
    if (token.kind !== 'left') return tokens.unexpected(token, 'input')
    return parseAction()
  }

  function parseAction(): Node | Token {
    const token = tokens.nextNonSpace()
    if (token.kind === 'keyword') {
      switch (token.text) {
        case 'if':
        case 'with':
        case 'range':
          return { kind: token.text, ...parseBranch(token.text) }
        case 'break':
        case 'continue':
          tokens.expect('right', `{{${token.text}}}`)
          if (ranges === 0) tokens.fail(token, `{{${token.text}}} outside {{range}}`)
          return { kind: token.text }
        case 'else':
          // `if` or `with` right behind it stays for the branch that this belongs to.
          if (!/^(?:if|with)$/.test(tokens.peekNonSpace().text)) tokens.expect('right', 'else')
          return token
        case 'end':
          tokens.expect('right', 'end')
          return token
        case 'template':
          return parseTemplateCall()
        case 'block':
          return parseBlock()
        default:
          return tokens.unexpected(token, 'command')
      }
    }
    tokens.back()
    return { kind: 'action', pipe: parsePipe('command', 'right') }
  }

  function parseBranch(keyword: 'if' | 'with' | 'range'): Branch {
    if (++depth > DEEPEST) tokens.fail(tokens.peek(), TOO_DEEP)
    const mark = scope.variables.length
    const pipe = parsePipe(keyword, 'right')
    if (keyword === 'range') ranges++
    const { nodes: body, terminator } = parseList()
    if (keyword === 'range') ranges--
    const otherwise = terminator.text === 'end' ? [] : parseElse(keyword)
    scope.variables.length = mark
    depth--
    return { pipe, body, otherwise }
  }

  function parseElse(keyword: 'if' | 'with' | 'range'): readonly Node[] {
    const token = tokens.peekNonSpace()
    if (token.kind === 'keyword' && token.text === keyword && keyword !== 'range') {
      tokens.nextNonSpace()
      return [{ kind: keyword, ...parseBranch(keyword) }]
    }
    return parseBodyToEnd('else')
  }

  function parseTemplateCall(): Node {
    const { at } = tokens.peekNonSpace()
    const name = parseName('template clause')
    if (tokens.peekNonSpace().kind === 'right') {
      tokens.nextNonSpace()
      return { kind: 'template', at, name, pipe: undefined }
    }
    return { kind: 'template', at, name, pipe: parsePipe('template clause', 'right') }
  }

  function parseBlock(): Node {
    const token = tokens.peekNonSpace()
    const name = parseName('block clause')
    const pipe = parsePipe('block clause', 'right')
    define(
      name,
      inItsOwnScope(() => parseBodyToEnd('block clause')),
      token,
    )
    return { kind: 'template', at: token.at, name, pipe }
  }

  function parseName(context: string): string {
    const token = tokens.expect('string', context)
    return readString(token.text) ?? tokens.fail(token, 'malformed string')
  }
}

function isTerminator(node: Node | Token): node is Token {
  return node.kind === 'keyword'
}

/** Whether a definition is nothing but space, and gives way to another of its name. */
function isBlank(nodes: readonly Node[]): boolean {
  return nodes.every((node) => node.kind === 'text' && /^\s*$/.test(node.bytes))
}
