import { runes } from '../go-quote.ts'
import { CallError } from './call-error.ts'
import { formatWith, noFlags, withType, type Flags } from './print.ts'
import type { Value } from './value.ts'

/** A pattern of a few letters can ask for a million blanks, and again, and again. */
const LONGEST = 16 * 1024 * 1024

/** `fmt.Sprintf` over Go strings. */
export function sprintf(pattern: string, values: readonly Value[]): string {
  let text = ''
  let used = 0
  let isReordered = false
  let at = 0
  while (at < pattern.length) {
    const percent = pattern.indexOf('%', at)
    text += pattern.slice(at, percent < 0 ? undefined : percent)
    if (percent < 0) break
    at = percent + 1
    text += readDirective()
    if (text.length > LONGEST) throw new CallError('it grows without end')
  }
  if (!isReordered && used < values.length) {
    const extra = values.slice(used).map((value) => withType(value))
    text += `%!(EXTRA ${extra.join(', ')})`
  }
  return text

  function readDirective(): string {
    const flags: Flags = { ...noFlags }
    let isGoodIndex = true
    for (; ; at++) {
      const flag = pattern[at]
      if (flag === '#') flags.sharp = true
      else if (flag === '0') flags.zero = true
      else if (flag === '+') flags.plus = true
      else if (flag === '-') flags.minus = true
      else if (flag === ' ') flags.space = true
      else break
    }
    readIndex()
    let complaint = ''
    if (pattern[at] === '*') {
      at++
      const width = takeNumber()
      if (width === undefined) complaint += '%!(BADWIDTH)'
      else if (width < 0) Object.assign(flags, { minus: true, width: -width })
      else flags.width = width
    } else {
      flags.width = readDigits()
    }
    if (pattern[at] === '.') {
      at++
      readIndex()
      if (pattern[at] === '*') {
        at++
        const precision = takeNumber()
        if (precision === undefined || precision < 0) complaint += '%!(BADPREC)'
        else flags.precision = precision
      } else {
        flags.precision = readDigits() ?? 0
      }
    }
    readIndex()
    const [rune] = runes(pattern.slice(at, at + 4))
    if (rune === undefined) return `${complaint}%!(NOVERB)`
    const verb = pattern.slice(at, at + rune.width)
    at += rune.width
    if (verb === '%') return `${complaint}%`
    if (!isGoodIndex) return `${complaint}%!${verb}(BADINDEX)`
    if (used >= values.length) return `${complaint}%!${verb}(MISSING)`
    return complaint + formatWith(values[used++], verb, flags)

    function readIndex(): void {
      const index = /^\[(\d*)([^\]]*)\]/.exec(pattern.slice(at))
      if (index === null) {
        if (pattern[at] !== '[') return
        at++
        isReordered = true
        isGoodIndex = false
        return
      }
      at += index[0].length
      isReordered = true
      const wanted = Number(index[1]) - 1
      if (index[1] === '' || index[2] !== '' || wanted < 0 || wanted >= values.length) {
        isGoodIndex = false
      } else {
        used = wanted
      }
    }

    function takeNumber(): number | undefined {
      const value = values[used++]
      if (typeof value !== 'bigint' || value > 1_000_000n || value < -1_000_000n) return undefined
      return Number(value)
    }

    function readDigits(): number | undefined {
      const digits = /^\d+/.exec(pattern.slice(at))?.[0]
      if (digits === undefined) return undefined
      at += digits.length
      if (Number(digits) <= 1_000_000) return Number(digits)
      at = pattern.length
      return undefined
    }
  }
}
