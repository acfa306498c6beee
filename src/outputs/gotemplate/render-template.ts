import { decodeBase64Text } from '../base64.ts'
import { fromGo, goQuote, toGo } from '../go-quote.ts'
import { CallError } from './call-error.ts'
import { evaluate } from './evaluate.ts'
import { builtinNames } from './functions.ts'
import { parse } from './parse.ts'
import type { Struct, Value } from './value.ts'

/** One value under the name that templates know it by. */
export interface TemplateSecret {
  readonly alias: string
  readonly value: Uint8Array
}

/**
 * Renders a template of Go's text/template language over secrets.
 *
 * It knows `{{ secret "alias" }}`, `b64enc`, `b64dec`, `.SecretsArray` (each with `.Alias` and
 * `.Value`), `.SecretsMap` (by alias), and all that Go brings of its own. Throws a TemplateError
 * with line and column, and never a value.
 */
export function renderTemplate(text: string, secrets: readonly TemplateSecret[]): Buffer {
  const values = new Map(
    secrets.map(({ alias, value }) => [toGo(alias), Buffer.from(value).toString('latin1')]),
  )
  const own = {
    secret: (alias: string) => {
      const value = values.get(alias)
      if (value === undefined)
        throw new CallError(`the group has no secret ${fromGo(goQuote(alias))}`, fromGo(alias))
      return value
    },
    b64enc: (value: string) => Buffer.from(value, 'latin1').toString('base64'),
    b64dec: decodeBase64,
  }
  const functions = new Set([...builtinNames, ...Object.keys(own)])
  return Buffer.from(evaluate(parse(text, functions), dataOf(values), own), 'latin1')
}

function dataOf(values: ReadonlyMap<string, string>): Value {
  const items = [...values].map(([alias, value]): Struct => ({
    kind: 'struct',
    type: 'Secret',
    isPointer: true,
    fields: new Map([
      ['Alias', alias],
      ['Value', value],
    ]),
  }))
  const entries = new Map([...values.keys()].map((alias, index) => [alias, items[index]]))
  return {
    kind: 'struct',
    type: 'TemplateData',
    isPointer: false,
    fields: new Map<string, Value>([
      ['SecretsArray', { kind: 'list', type: '[]*Secret', items }],
      ['SecretsMap', { kind: 'map', type: 'map[string]*Secret', entries }],
    ]),
  }
}

function decodeBase64(text: string): string {
  const bytes = decodeBase64Text(text)
  if (bytes === undefined) throw new CallError('the value is not base64')
  return bytes.toString('latin1')
}
