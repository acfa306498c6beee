/**
 * A Go value as a template sees it: undefined is no value or an untyped nil, a string is a Go
 * string (one character per byte), a bigint an int, a number a float64.
 */
export type Value =
  | undefined
  | string
  | boolean
  | bigint
  | number
  | Byte
  | Struct
  | List
  | Dictionary
  | Nil

/** What indexing a string gives. */
export interface Byte {
  readonly kind: 'byte'
  readonly code: number
}

export interface Struct {
  readonly kind: 'struct'
  readonly type: string
  readonly isPointer: boolean
  readonly fields: ReadonlyMap<string, Value>
}

export interface List {
  readonly kind: 'list'
  readonly type: string
  readonly items: readonly Value[]
}

export interface Dictionary {
  readonly kind: 'map'
  readonly type: string
  readonly entries: ReadonlyMap<string, Value>
}

/** A pointer that leads nowhere: what a map gives for a key that it does not have, where `index` asks. */
export interface Nil {
  readonly kind: 'nil'
  readonly type: string
}

/** The name of a value's type, for messages. */
export function typeName(value: Value): string {
  switch (typeof value) {
    case 'undefined':
      return 'nil'
    case 'string':
      return 'string'
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'float64'
    default:
      if (value.kind === 'byte') return 'uint8'
      return value.kind === 'struct' && value.isPointer ? `*${value.type}` : value.type
  }
}

/** What `if`, `and` and `not` make of a value: false for zero, nothing and the empty. */
export function isTrue(value: Value): boolean {
  switch (typeof value) {
    case 'undefined':
      return false
    case 'string':
      return value !== ''
    case 'boolean':
      return value
    case 'bigint':
      return value !== 0n
    case 'number':
      return value !== 0
    default:
      return isTrueObject(value)
  }
}

function isTrueObject(value: Byte | Struct | List | Dictionary | Nil): boolean {
  switch (value.kind) {
    case 'byte':
      return value.code !== 0
    case 'struct':
      return true
    case 'list':
      return value.items.length > 0
    case 'map':
      return value.entries.size > 0
    case 'nil':
      return false
    default:
      return value satisfies never
  }
}
