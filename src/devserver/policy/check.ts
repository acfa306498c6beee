import { hasHostBits, normalRange } from '../cidr.ts'
import {
  className,
  entryTypes,
  isEntry,
  isList,
  roleTypes,
  type Holds,
  type Value,
} from './entry.ts'

/** What an attribute comes to, or what is wrong with it, in the server's words. */
type Verdict = { readonly value: Value } | { readonly wrong: string }

/** Whether a value is what an attribute holds; some are brought into their normal form. */
export function checkValue(name: string, holds: Holds, value: Value): Verdict {
  const expected = (type: string): Verdict => ({
    wrong: `Expected a ${type} for field '${name}', got ${rubyName(value)}`,
  })
  switch (holds) {
    case 'text':
      return typeof value === 'string' ? { value } : expected('string')
    case 'integer':
      return typeof value === 'bigint' ? { value } : expected('integer')
    case 'boolean':
      if (value === 'true' || value === 'false') return { value: value === 'true' }
      return typeof value === 'boolean' ? { value } : expected('boolean')
    case 'range':
      return range(value)
    case 'role':
      return isEntry(value) && roleTypes.has(value.type) ? { value } : expected('Role')
    case 'resource':
      return isEntry(value) && Object.hasOwn(entryTypes[value.type], 'annotations')
        ? { value }
        : expected('Resource')
    case 'member':
      if (isEntry(value) && value.type === 'member') return { value }
      if (!isEntry(value) || !roleTypes.has(value.type)) return expected('Member')
      return { value: { type: 'member', place: value.place, fields: new Map([['role', value]]) } }
    case 'annotations':
    case 'entries':
      return { value }
    default:
      return holds satisfies never
  }
}

function range(value: Value): Verdict {
  if (typeof value !== 'string') return { wrong: 'CIDR argument must be a String' }
  const normal = normalRange(value)
  const wrong = `Invalid IP address or CIDR range '${value}'`
  if (normal === undefined) return { wrong }
  if (!hasHostBits(normal)) return { value: normal }
  return {
    wrong: `${wrong}: Value has bits set to right of mask. Did you mean '${masked(normal)}'?`,
  }
}

function masked(range: string): string {
  const [net = '', bits = ''] = range.split('/')
  const size = 2 ** (32 - Number(bits))
  const number = net.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const start = number - (number % size)
  const parts = [24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256)
  return `${parts.join('.')}/${bits}`
}

function rubyName(value: Value): string {
  if (value === null) return 'NilClass'
  if (isEntry(value)) return className(value.type)
  if (isList(value)) return 'Array'
  switch (typeof value) {
    case 'string':
      return 'String'
    case 'bigint':
      return 'Integer'
    case 'number':
      return 'Float'
    case 'boolean':
      return value ? 'TrueClass' : 'FalseClass'
    default:
      return 'Hash'
  }
}
