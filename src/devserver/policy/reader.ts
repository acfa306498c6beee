import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  type Scalar as YamlScalar,
  type YAMLMap,
} from 'yaml'
import type { Place } from '../store.ts'
import { checkValue } from './check.ts'
import {
  className,
  entryTypes,
  isEntry,
  isEntryType,
  isList,
  plurals,
  PolicyInvalid,
  type Entry,
  type EntryType,
  type Holds,
  type Note,
  type Value,
} from './entry.ts'
import type { Folded } from './runs.ts'
import { scalarOf } from './scalar.ts'

/** An alias that comes to more than this is no policy, but an attack or a slip. */
const heaviest = 250_000

/** The text that nodes are from. */
export interface Source extends Folded {
  readonly file: string
  readonly lines: LineCounter
}

/** Turns the nodes of one text into entries. */
export interface Reader {
  /** The entries of the whole text. Throws {@link PolicyInvalid}. */
  top(node: Node | null): readonly Value[]
  /** How many folded runs turned up as what they were taken for. */
  unfolded(): number
}

/** A reader for one text: anchors are its own. */
export function createReader(source: Source): Reader {
  const anchors = new Map<string, Value>()
  const weights = new WeakMap<readonly Value[], number>()
  let unfolded = 0

  const remember = (node: Node, value: Value): Value => {
    if (!isAlias(node) && 'anchor' in node && typeof node.anchor === 'string')
      anchors.set(node.anchor, value)
    return value
  }

  const item = (node: Node, inherited: EntryType | undefined): Value => {
    if (isAlias(node)) return recall(node.source, node)
    if (isSeq(node)) return remember(node, sequence(node.items, inherited))
    if (isMap(node)) {
      const type = typeOf(node, inherited)
      if (type === undefined) throw stop('No type given or inferred for sequence entry', node)
      return remember(node, record(node, type))
    }
    return remember(node, scalar(node, inherited))
  }

  const sequence = (items: readonly unknown[], inherited: EntryType | undefined): Value[] => {
    const list = items.filter(isNode).map((node) => item(node, inherited))
    weights.set(
      list,
      list.reduce((sum: number, each) => sum + weightOf(each), 0),
    )
    return list
  }

  /** How many things a value comes to once its lists are laid flat. */
  const weightOf = (value: Value): number => (isList(value) ? (weights.get(value) ?? 1) : 1)

  const recall = (name: string, node: Node): Value => {
    const value = anchors.get(name)
    if (value === undefined) throw stop(`anchor '${name}' is not defined`, node)
    // Lists of aliases of lists of aliases: a screenful of text that means billions.
    if (weightOf(value) > heaviest) throw stop(`alias '${name}' stands for too much`, node)
    return value
  }

  const scalar = (node: Node, inherited: EntryType | undefined): Value => {
    const type = typeOf(node, inherited)
    if (type === undefined) return isScalar(node) ? scalarOf(textOf(node), isQuoted(node)) : null
    const id = isScalar(node) ? textOf(node) : null
    const run = source.runs.get(id ?? '')
    if (run === undefined) return entry(type, node, [['id', id]])
    unfolded += 1
    return { ...entry(type, node, []), run }
  }

  const record = (node: YAMLMap, type: EntryType): Entry => {
    const fields: [string, Value][] = []
    const seen = new Set<string>()
    for (const pair of node.items) {
      if (!isPair(pair) || !isScalar(pair.key)) throw stop('Unexpected mapping', node)
      const key = textOf(pair.key)
      if (seen.has(key)) throw afterColon(`Duplicate attribute: ${key}`, pair.key)
      seen.add(key)
      const name = Object.hasOwn(plurals, key) ? (plurals[key] ?? key) : key
      const holds = attributeOf(type, name)
      const at = isNode(pair.value) ? pair.value : pair.key
      if (holds === undefined)
        throw stop(`No such attribute '${key}' on type ${className(type)}`, at)
      fields.push([name, attribute(name, holds, at)])
    }
    return entry(type, node, fields)
  }

  const attribute = (name: string, holds: Holds, node: Node): Value => {
    if (holds === 'annotations') return annotations(node)
    const implied = holds === 'member' ? 'member' : undefined
    const value = isSeq(node)
      ? remember(node, sequence(node.items, implied))
      : field(node, name, implied)
    if (holds === 'entries') return value
    if (isList(value))
      return value
        .flatMap((each) => flat(each))
        .map((each) => checked(name, holds, { value: each, node }))
    return checked(name, holds, { value, node })
  }

  const field = (node: Node, name: string, implied: EntryType | undefined): Value => {
    if (isMap(node) && typeOf(node, implied) === undefined)
      throw stop(`Attribute '${name}' can't be a mapping`, node)
    return item(node, isMap(node) ? implied : undefined)
  }

  const annotations = (node: Node): Value => {
    if (isAlias(node)) return recall(node.source, node)
    if (!isMap(node)) {
      if (isScalar(node) && textOf(node) === '') return new Map()
      throw stop(
        `Expected a hash for field 'annotations', got ${isSeq(node) ? 'Array' : 'String'}`,
        node,
      )
    }
    const found = new Map<string, Note>()
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? textOf(key) : ''
      if (found.has(name)) throw stop(`Duplicate attribute: ${name}`, node)
      const held = isNode(value)
        ? isAlias(value)
          ? recall(value.source, value)
          : item(value, undefined)
        : null
      if (isEntry(held) || isList(held) || held instanceof Map)
        throw stop(`Attribute '${name}' can't be a mapping`, node)
      const at = isNode(key) ? key : node
      found.set(name, { value: typeof held === 'object' ? null : held, place: place(at) })
    }
    return remember(node, found)
  }

  const checked = (name: string, holds: Holds, found: { value: Value; node: Node }): Value => {
    const verdict = checkValue(name, holds, found.value)
    if ('wrong' in verdict) throw stop(verdict.wrong, found.node)
    return verdict.value
  }

  const typeOf = (node: Node, inherited: EntryType | undefined): EntryType | undefined => {
    const tag = 'tag' in node && typeof node.tag === 'string' ? node.tag : undefined
    if (tag === undefined || !tag.startsWith('!')) return inherited
    const name = tag.slice(1).replaceAll('_', '-')
    if (!isEntryType(name)) throw unknownTag(tag, node)
    return name
  }

  const unknownTag = (tag: string, node: Node): PolicyInvalid => {
    const message = `Unrecognized data type '${tag}'`
    const first = isMap(node) ? node.items[0]?.key : undefined
    return isNode(first) ? afterColon(message, first, node) : stop(message, node)
  }

  /** A mapping is known for one behind the colon of its key. */
  const afterColon = (message: string, key: Node, at = key): PolicyInvalid => {
    const colon = source.text.indexOf(':', key.range?.[1] ?? 0)
    const { line, col } = source.lines.linePos(Math.max(colon, 0))
    return new PolicyInvalid(message, {
      line: source.lineBefore(line) - 1,
      column: col,
      place: place(at),
    })
  }

  const entry = (type: EntryType, node: Node, fields: [string, Value][]): Entry => ({
    type,
    place: place(node),
    fields: new Map(fields),
  })

  const place = (node: Node): Place => {
    const start = node.range?.[0] ?? 0
    const tag = 'tag' in node && typeof node.tag === 'string' ? node.tag : ''
    // A node's range begins after its tag, which may stand a line above.
    const at = tag.startsWith('!') ? source.text.lastIndexOf(tag, start) : start
    const { line } = source.lines.linePos(Math.max(at, 0))
    return { file: source.file, line: source.lineBefore(line) }
  }

  /** Where the real parser stands when it stumbles: at the next thing after the node. */
  const stop = (message: string, node: Node): PolicyInvalid => {
    const end = node.range?.[1] ?? 0
    const rest = source.text.slice(end).search(/[^ \t\r\n]/)
    const at = source.lines.linePos(rest < 0 ? source.text.length : end + rest)
    const line = source.lineBefore(at.line) - 1
    return new PolicyInvalid(message, { line, column: at.col - 1, place: place(node) })
  }

  return {
    unfolded: () => unfolded,
    top(node) {
      if (node === null || (isScalar(node) && textOf(node) === '')) return []
      if (!isSeq(node)) throw stop(`Unexpected ${isMap(node) ? 'mapping' : 'scalar'}`, node)
      const found = sequence(node.items, undefined)
      for (const each of found.flatMap((value) => flat(value))) {
        if (!isEntry(each)) throw stop('No type given or inferred for sequence entry', node)
      }
      return found
    },
  }
}

function attributeOf(type: EntryType, name: string): Holds | undefined {
  const attributes: Readonly<Record<string, Holds>> = entryTypes[type]
  return Object.hasOwn(attributes, name) ? attributes[name] : undefined
}

function flat(value: Value): Value[] {
  return isList(value) ? value.flatMap((each) => flat(each)) : [value]
}

function isNode(value: unknown): value is Node {
  return isAlias(value) || isScalar(value) || isMap(value) || isSeq(value)
}

function textOf(node: YamlScalar): string {
  return typeof node.value === 'string' ? node.value : (node.source ?? '')
}

function isQuoted(node: YamlScalar): boolean {
  return node.type !== 'PLAIN' && node.type !== undefined
}
