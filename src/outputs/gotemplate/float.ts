/** A number's decimal digits, its value being 0.DIGITS × 10^point. */
interface Decimal {
  readonly digits: string
  readonly point: number
}

/**
 * A float64 as Go's `strconv.FormatFloat` writes it, with a sign in front where it is negative.
 * Without a precision: as many digits as tell it from its neighbours.
 */
export function formatFloat(value: number, verb: 'e' | 'f' | 'g', precision?: number): string {
  if (Number.isNaN(value)) return 'NaN'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  if (!Number.isFinite(value)) return sign === '' ? '+Inf' : '-Inf'
  const magnitude = Math.abs(value)
  return (
    sign +
    (precision === undefined ? shortest(magnitude, verb) : rounded(magnitude, verb, precision))
  )
}

function shortest(value: number, verb: 'e' | 'f' | 'g'): string {
  const [mantissa = '', exponent = ''] = value.toExponential().split('e')
  const digits = mantissa.replace('.', '')
  const decimal = {
    digits: value === 0 ? '' : digits,
    point: value === 0 ? 0 : Number(exponent) + 1,
  }
  switch (verb) {
    case 'e':
      return scientific(decimal, digits.length - 1)
    case 'f':
      return plain(decimal, Math.max(digits.length - decimal.point, 0))
    case 'g':
      return general(decimal, { decision: 6, most: digits.length })
    default:
      return verb satisfies never
  }
}

function rounded(value: number, verb: 'e' | 'f' | 'g', precision: number): string {
  const exact = exactDecimal(value)
  switch (verb) {
    case 'e':
      return scientific(round(exact, precision + 1), precision)
    case 'f':
      return plain(round(exact, exact.point + precision), precision)
    case 'g': {
      const most = precision || 1
      const decimal = round(exact, most)
      const count = decimal.digits.length
      const decision = most > count && count >= decimal.point ? count : most
      return general(decimal, { decision, most })
    }
    default:
      return verb satisfies never
  }
}

function general(decimal: Decimal, { decision, most }: { decision: number; most: number }): string {
  const count = decimal.digits.length
  const exponent = decimal.point - 1
  if (count > 0 && (exponent < -4 || exponent >= decision)) {
    return scientific(decimal, Math.min(most, count) - 1)
  }
  return plain(decimal, Math.max(count - decimal.point, 0))
}

function scientific({ digits, point }: Decimal, fraction: number): string {
  const [first = '0', ...rest] = digits
  const exponent = digits === '' ? 0 : point - 1
  const tail = fraction > 0 ? `.${rest.join('').slice(0, fraction).padEnd(fraction, '0')}` : ''
  const size = String(Math.abs(exponent)).padStart(2, '0')
  return `${first}${tail}e${exponent < 0 ? '-' : '+'}${size}`
}

function plain({ digits, point }: Decimal, fraction: number): string {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0'
  if (fraction <= 0) return whole
  const behind = '0'.repeat(Math.max(-point, 0)) + digits.slice(Math.max(point, 0))
  return `${whole}.${behind.slice(0, fraction).padEnd(fraction, '0')}`
}

/** Every binary fraction ends in decimal: its digits, all of them. */
function exactDecimal(value: number): Decimal {
  if (value === 0) return { digits: '', point: 0 }
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, value)
  const raw = bits.getBigUint64(0)
  const biased = Number((raw >> 52n) & 0x7ffn)
  const mantissa = (raw & 0xfffffffffffffn) | (biased === 0 ? 0n : 1n << 52n)
  const exponent = Math.max(biased, 1) - 1075
  if (exponent >= 0) {
    const digits = (mantissa << BigInt(exponent)).toString()
    return { digits: digits.replace(/0+$/, ''), point: digits.length }
  }
  const digits = (mantissa * 5n ** BigInt(-exponent)).toString()
  return { digits: digits.replace(/0+$/, ''), point: digits.length + exponent }
}

/** Keeps `count` digits; a tie goes to the even digit. */
function round({ digits, point }: Decimal, count: number): Decimal {
  if (count < 0) return { digits: '', point: 0 }
  if (digits.length <= count) return { digits, point }
  const kept = digits.slice(0, count)
  const rest = digits.slice(count)
  const isOdd = /[13579]$/.test(kept)
  const isUp = rest > '5' || (rest === '5' && isOdd)
  if (!isUp) return trimmed(kept, point)
  const next = (BigInt(`0${kept}`) + 1n).toString().padStart(count, '0')
  return trimmed(next, point + next.length - count)
}

function trimmed(digits: string, point: number): Decimal {
  const short = digits.replace(/0+$/, '')
  return { digits: short, point: short === '' ? 0 : point }
}
