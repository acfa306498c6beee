import type { Branch, Command, Node, Operand, Pipe, Tree } from './nodes.ts'
import { CallError } from './call-error.ts'
import { callFunction, goString, parametersOf, type Parameter } from './functions.ts'
import { format } from './print.ts'
import { TemplateError } from './template-error.ts'
import { isTrue, typeName, type Value } from './value.ts'

/**
 * Renders a template to a Go string.
 *
 * Throws a TemplateError that says where in the template, and never with which value.
 */
export function evaluate(
  tree: Tree,
  data: Value,
  functions: Readonly<Record<string, (argument: string) => string>>,
): string {
  let out = ''
  let steps = 0
  let touched = 0
  const root: Frame = { variables: [{ name: '$', value: data }], depth: 0 }
  try {
    walkList(tree.root, data, root)
  } catch (error) {
    // Our own stack has ended, and that is the template's doing.
    if (error instanceof RangeError) fail({ at: 0 }, ENDLESS)
    throw error
  }
  return out

  function step(): void {
    if (++steps > MOST_STEPS || out.length > LONGEST) fail({ at: 0 }, ENDLESS)
  }

  /** Counts the text that a call reads and makes: a variable may double without a letter being printed. */
  function weigh(values: readonly Value[], at: Located): void {
    for (const value of values) if (typeof value === 'string') touched += value.length
    if (touched > MOST_TOUCHED) fail(at, ENDLESS)
  }

  function walkList(nodes: readonly Node[], dot: Value, frame: Frame): Leave {
    for (const node of nodes) {
      const leave = walk(node, dot, frame)
      if (leave !== undefined) return leave
    }
    return undefined
  }

  function walk(node: Node, dot: Value, frame: Frame): Leave {
    step()
    switch (node.kind) {
      case 'text':
        out += node.bytes
        return undefined
      case 'action': {
        const value = evaluatePipe(node.pipe, dot, frame)
        if (node.pipe.variables.length === 0) out += print(value, node.pipe)
        return undefined
      }
      case 'break':
      case 'continue':
        return node.kind
      case 'template':
        return walkTemplate(node, dot, frame)
      case 'if':
      case 'with':
      case 'range': {
        const mark = frame.variables.length
        const value = evaluatePipe(node.pipe, dot, frame)
        const leave =
          node.kind === 'range'
            ? walkRange(node, { value, dot }, frame)
            : isTrue(value)
              ? walkList(node.body, node.kind === 'with' ? value : dot, frame)
              : walkList(node.otherwise, dot, frame)
        frame.variables.length = mark
        return leave
      }
      default:
        return node satisfies never
    }
  }

  function walkRange(
    { pipe, body, otherwise }: Branch,
    { value, dot }: { readonly value: Value; readonly dot: Value },
    frame: Frame,
  ): undefined {
    const mark = frame.variables.length
    let isEmpty = true
    for (const [key, item] of iterate(value, pipe)) {
      isEmpty = false
      step()
      const names = pipe.variables
      const values = names.length > 1 ? [key, item] : [item]
      names.forEach((name, index) => {
        if (pipe.isAssignment) assign(name, values[index], { pipe, frame })
        // The variables were pushed when the pipeline was evaluated: they are the last ones.
        else frame.variables[mark - names.length + index] = { name, value: values[index] }
      })
      const leave = walkList(body, item, frame)
      frame.variables.length = mark
      if (leave === 'break') break
    }
    // As in Go, a {{break}} of the {{else}} part goes no further than this range.
    if (isEmpty) walkList(otherwise, dot, frame)
  }

  function* iterate(value: Value, pipe: Pipe): Generator<[key: Value, item: Value]> {
    if (value === undefined) return
    if (typeof value === 'bigint' || (typeof value === 'object' && value.kind === 'byte')) {
      if (pipe.variables.length > 1) fail(pipe, 'range over a number has one variable')
      const end = typeof value === 'bigint' ? value : BigInt(value.code)
      for (let at = 0n; at < end; at++) yield [undefined, at]
    } else if (typeof value === 'object' && value.kind === 'list') {
      for (const [index, item] of value.items.entries()) yield [BigInt(index), item]
    } else if (typeof value === 'object' && value.kind === 'map') {
      // Go shows maps in the order of their keys' bytes.
      yield* [...value.entries].sort(([one], [other]) => (one < other ? -1 : 1))
    } else {
      fail(pipe, `range can't iterate over ${typeName(value)}`)
    }
  }

  function walkTemplate(
    node: Extract<Node, { kind: 'template' }>,
    dot: Value,
    frame: Frame,
  ): undefined {
    const body = tree.defined.get(node.name)
    if (body === undefined) fail(node, `template ${JSON.stringify(node.name)} is not defined`)
    if (frame.depth === DEEPEST) fail(node, `templates call each other more than ${DEEPEST} deep`)
    const value = node.pipe && evaluatePipe(node.pipe, dot, frame)
    // A called template sees nothing of its caller's variables.
    walkList(body, value, { variables: [{ name: '$', value }], depth: frame.depth + 1 })
  }

  function evaluatePipe(pipe: Pipe, dot: Value, frame: Frame): Value {
    let piped: Piped = undefined
    for (const command of pipe.commands) {
      piped = { value: evaluateCommand(command, piped, { dot, frame }) }
    }
    const value = piped?.value
    for (const name of pipe.variables) {
      if (pipe.isAssignment) assign(name, value, { pipe, frame })
      else frame.variables.push({ name, value })
    }
    return value
  }

  function evaluateCommand({ words }: Command, piped: Piped, scope: Scope): Value {
    const [first, ...rest] = words
    switch (first.kind) {
      case 'function':
        return call(first, { words: rest, piped }, scope)
      case 'nil':
        return fail(first, 'nil is not a command')
      default:
        if (rest.length > 0 || piped !== undefined) {
          fail(first, "can't give an argument to what is no function")
        }
        return evaluateOperand(first, scope)
    }
  }

  function evaluateOperand(operand: Operand, scope: Scope): Value {
    switch (operand.kind) {
      case 'bool':
      case 'number':
      case 'string':
        return operand.value
      case 'nil':
        return undefined
      case 'dot':
        return scope.dot
      case 'pipe':
        return evaluatePipe(operand, scope.dot, scope.frame)
      case 'function':
        return call(operand, { words: [], piped: undefined }, scope)
      case 'field':
        return follow(scope.dot, operand.fields, operand)
      case 'variable':
        return follow(lookUp(operand.name, operand, scope.frame).value, operand.fields, operand)
      case 'chain':
        if (operand.of.kind === 'nil') fail(operand, 'nil has no fields')
        return follow(evaluateOperand(operand.of, scope), operand.fields, operand)
      default:
        return operand satisfies never
    }
  }

  function follow(from: Value, fields: readonly string[], at: Located): Value {
    let value = from
    for (const field of fields) {
      if (value === undefined) return undefined
      if (typeof value === 'object' && value.kind === 'struct' && value.fields.has(field)) {
        value = value.fields.get(field)
      } else if (typeof value === 'object' && value.kind === 'map') {
        value = value.entries.get(field)
      } else if (typeof value === 'object' && value.kind === 'nil') {
        fail(at, `a nil ${value.type} has no field ${field}`)
      } else {
        fail(at, `can't evaluate field ${field} in type ${typeName(value)}`)
      }
    }
    return value
  }

  function call(
    { name, at }: Extract<Operand, { kind: 'function' }>,
    { words, piped }: { readonly words: readonly Operand[]; readonly piped: Piped },
    scope: Scope,
  ): Value {
    if (name === 'and' || name === 'or') return shortCircuit(name, { words, piped, at }, scope)
    const { parameters, isVariadic } = parametersOf(name)
    const count = words.length + (piped === undefined ? 0 : 1)
    const fixed = isVariadic ? parameters.length - 1 : parameters.length
    if (count < fixed || (!isVariadic && count > fixed)) {
      fail({ at }, `${name} takes ${isVariadic ? 'at least ' : ''}${fixed}, not ${count} arguments`)
    }
    const parameter = (index: number) => parameters[Math.min(index, parameters.length - 1)] ?? 'any'
    const values = words.map((word, index) => argument(word, parameter(index), scope))
    if (piped !== undefined) values.push(checked(piped.value, parameter(count - 1), { at }))
    try {
      const own = functions[name]
      const made = own === undefined ? callFunction(name, values) : own(goString(values[0]))
      weigh([...values, made], { at })
      return made
    } catch (error) {
      if (error instanceof CallError) fail({ at }, `${name}: ${error.message}`, error.missing)
      throw error
    }
  }

  function shortCircuit(
    name: 'and' | 'or',
    { words, piped, at }: { words: readonly Operand[]; piped: Piped; at: number },
    scope: Scope,
  ): Value {
    if (words.length === 0 && piped === undefined) fail({ at }, `${name} takes at least 1 argument`)
    let value: Value
    for (const word of words) {
      value = evaluateOperand(word, scope)
      if (isTrue(value) === (name === 'or')) return value
    }
    return piped === undefined ? value : piped.value
  }

  function argument(word: Operand, parameter: Parameter, scope: Scope): Value {
    if (parameter === 'string' && word.kind !== 'string') {
      const isLiteral = word.kind === 'bool' || word.kind === 'number' || word.kind === 'nil'
      if (isLiteral) fail(word, `a string is needed, not a ${word.kind}`)
    }
    return checked(evaluateOperand(word, scope), parameter, word)
  }

  function checked(value: Value, parameter: Parameter, at: Located): Value {
    if (parameter === 'string' && typeof value !== 'string') {
      fail(at, `a string is needed, not a value of type ${typeName(value)}`)
    }
    return value
  }

  function lookUp(name: string, at: Located, frame: Frame): Variable {
    const found = frame.variables.findLast((variable) => variable.name === name)
    return found ?? fail(at, `undefined variable ${name}`)
  }

  function assign(name: string, value: Value, { pipe, frame }: { pipe: Pipe; frame: Frame }): void {
    lookUp(name, pipe, frame).value = value
  }

  function print(value: Value, at: Located): string {
    try {
      return format(value)
    } catch (error) {
      if (error instanceof CallError) fail(at, error.message)
      throw error
    }
  }

  function fail({ at }: Located, message: string, missing?: string): never {
    throw new TemplateError('render', message, { text: tree.text, at, missing })
  }
}

const DEEPEST = 1000
/** A template that wants more would keep the agent from everything else, its end included. */
const MOST_STEPS = 1_000_000
const LONGEST = 16 * 1024 * 1024
const MOST_TOUCHED = 16 * 1024 * 1024
const ENDLESS = 'it grows without end'

/** Why a list of nodes was left before its end. */
type Leave = 'break' | 'continue' | undefined

interface Variable {
  readonly name: string
  value: Value
}

/** The variables that one template sees; a called template has a frame of its own. */
interface Frame {
  readonly variables: Variable[]
  readonly depth: number
}

interface Scope {
  readonly dot: Value
  readonly frame: Frame
}

/** What stands before a `|`; undefined at the beginning of a pipeline. */
type Piped = { readonly value: Value } | undefined

interface Located {
  readonly at: number
}
