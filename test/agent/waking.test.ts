import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { afterSleep, fingerprint, parseWaking, printWaking } from '../../src/agent/waking.ts'

const instant = fc.nat({ max: 4_000_000_000_000 })

test('what one waking says the next one understands, and it is digits alone', () => {
  fc.assert(
    fc.property(
      fc.record({
        startedAt: instant,
        checkedAt: fc.option(instant, { nil: undefined }),
        valuesAt: fc.option(instant, { nil: undefined }),
        renewAt: fc.option(instant, { nil: undefined }),
        attempt: fc.nat({ max: 1_000_000 }),
        calm: fc.nat({ max: 1_000_000 }),
        refused: fc.array(fc.string().map(fingerprint), { maxLength: 20 }),
        zeroAt: fc.option(instant, { nil: undefined }),
        receivedAt: fc.option(instant, { nil: undefined }),
      }),
      ({ refused, ...rest }) => {
        const waking = { ...rest, refused: new Set(refused) }

        const word = printWaking(waking)

        expect(word).toMatch(/^[\d/,]+$/)
        expect(parseWaking(word)).toEqual(waking)
      },
    ),
  )
})

test('instants between two milliseconds are told as whole ones', () => {
  const waking = {
    startedAt: 1.4,
    checkedAt: 2.6,
    valuesAt: 3.2,
    renewAt: undefined,
    attempt: 0,
    calm: 2,
    refused: new Set([7]),
    zeroAt: 4.1,
    receivedAt: -1,
  }

  expect(printWaking(waking)).toBe('1/3/3//0/2/7/4/0')
})

test('what an older agent said is understood', () => {
  expect(parseWaking('1/3/3//0/2/7')).toMatchObject({ calm: 2, zeroAt: undefined })
})

test('P3 a wall clock that was set back puts nothing off, and nobody else moves an instant', () => {
  const waking = parseWaking('1/3/300/400/0/2//1000/200')
  const after = (zeroAt: number) => waking && afterSleep(waking, zeroAt)

  expect(after(900)).toEqual({ ...waking, valuesAt: 200, renewAt: 300, receivedAt: 100 })
  expect(after(1100)).toEqual(waking)
})

test('whatever was not printed here is no word of ours', () => {
  for (const word of [
    undefined,
    '',
    '1',
    '1/2/3/4/5/6',
    'a/b/c/d/e/f/g',
    '1/2/3/4/5/6/x',
    '1/2/3/4/5/6/7 8',
  ]) {
    expect(parseWaking(word)).toBeUndefined()
  }
})

test('more refusals than a command line should hold are left out', () => {
  const refused = new Set(Array.from({ length: 2000 }, (_, index) => index))

  const word = printWaking({
    startedAt: 1,
    checkedAt: 1,
    valuesAt: 1,
    renewAt: 1,
    attempt: 0,
    calm: 0,
    refused,
    zeroAt: 1,
    receivedAt: 1,
  })

  expect(parseWaking(word)?.refused.size).toBe(500)
})
