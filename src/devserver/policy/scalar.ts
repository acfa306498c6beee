import type { Scalar } from './entry.ts'

/** What a plain scalar means to the server's YAML reader; a quoted one is always text. */
export function scalarOf(text: string, quoted: boolean): Scalar {
  if (quoted) return text
  if (text === '' || text === '~' || /^null$/i.test(text)) return null
  if (/^(true|yes|on)$/i.test(text)) return true
  if (/^(false|no|off)$/i.test(text)) return false
  if (/^[-+]?(0|[1-9][0-9_,]*)$/.test(text)) return BigInt(text.replace(/[_,+]/g, ''))
  if (/^0[0-7]+$/.test(text)) return BigInt(`0o${text.slice(1)}`)
  if (/^0x[0-9a-f]+$/i.test(text)) return BigInt(text)
  if (/^[-+]?\d[\d_,]*\.\d*(e[-+]?\d+)?$/i.test(text)) return Number(text.replace(/[_,]/g, ''))
  return text
}

/** A scalar as text: how annotations are kept. */
export function textOfScalar(value: Scalar): string {
  if (value === null) return ''
  if (typeof value === 'number' && Number.isInteger(value)) return `${value}.0`
  return `${value}`
}
