import type { GoNumber } from './literals.ts'

/** What a template consists of once it is read. `at` is an index into its text. */
export type Node =
  | { readonly kind: 'text'; readonly bytes: string }
  | { readonly kind: 'action'; readonly pipe: Pipe }
  | ({ readonly kind: 'if' | 'with' | 'range' } & Branch)
  | {
      readonly kind: 'template'
      readonly at: number
      readonly name: string
      readonly pipe: Pipe | undefined
    }
  | { readonly kind: 'break' | 'continue' }

export interface Branch {
  readonly pipe: Pipe
  readonly body: readonly Node[]
  readonly otherwise: readonly Node[]
}

export interface Pipe {
  readonly kind: 'pipe'
  readonly at: number
  /** Variables that get the result, with their `$`. */
  readonly variables: readonly string[]
  /** `=` rather than `:=`. */
  readonly isAssignment: boolean
  readonly commands: readonly Command[]
}

export interface Command {
  readonly at: number
  /** The first is what is called or shown, the rest its arguments. */
  readonly words: readonly [Operand, ...Operand[]]
}

export type Operand = { readonly at: number } & (
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'number'; readonly value: GoNumber }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'nil' }
  | { readonly kind: 'dot' }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'field'; readonly fields: readonly string[] }
  | { readonly kind: 'variable'; readonly name: string; readonly fields: readonly string[] }
  | { readonly kind: 'chain'; readonly of: Operand; readonly fields: readonly string[] }
  | Pipe
)

/** A template and those it defines, by name. */
export interface Tree {
  readonly text: string
  readonly root: readonly Node[]
  readonly defined: ReadonlyMap<string, readonly Node[]>
}
