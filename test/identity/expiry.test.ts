import { expect, test } from 'vitest'

import { endOfLife, instant } from '../../src/identity/expiry.ts'

const AT = Date.parse('2026-01-20T09:05:00Z')

const IN_UTC = [
  AT / 1000,
  String(AT / 1000),
  ` ${AT / 1000} `,
  '1/20/2026 9:05:00 AM +00:00',
  '01/20/2026 09:05:00 +00:00',
  '1/20/2026 9:05:00 AM',
  '01/20/2026 09:05:00',
  '2026-01-20 09:05:00',
  '2026-01-20T09:05:00Z',
  '2026-01-20T10:05:00+01:00',
  ' 2026-01-20 09:05:00.000 ',
]

test.each(IN_UTC)('expires_on %s is five past nine', (text) => {
  expect(instant(text)).toBe(AT)
})

test('P3 and it is so wherever the machine stands', () => {
  const zone = process.env['TZ']
  process.env['TZ'] = 'Asia/Kolkata'
  try {
    expect(new Date(AT).getHours()).toBe(14)
    expect(IN_UTC.map(instant)).toEqual(IN_UTC.map(() => AT))
    expect(instant('1/20/2026 12:05:00 AM')).toBe(Date.parse('2026-01-20T00:05:00Z'))
  } finally {
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
  }
})

test.each([
  ['1/20/2026 12:05:00 AM', '2026-01-20T00:05:00Z'],
  ['1/20/2026 12:05:00 PM', '2026-01-20T12:05:00Z'],
  ['1/20/2026 1:05:00 PM', '2026-01-20T13:05:00Z'],
  ['1/20/2026 13:05:00', '2026-01-20T13:05:00Z'],
])('%s is %s', (text, utc) => {
  expect(instant(text)).toBe(Date.parse(utc))
})

test.each([
  '',
  ' ',
  'soon',
  'x2026-01-20 09:05:00',
  '2026-01-20 09:05:00x',
  undefined,
  null,
  Number.NaN,
  {},
  '99999999999999999999',
])('expires_on %s says nothing', (value) => {
  expect(instant(value)).toBeUndefined()
})

test('the earliest end counts', () => {
  const token = { expiresAt: AT + 60_000 }

  expect(endOfLife(token, { expires_in: '30' }, AT)).toBe(AT + 30_000)
  expect(endOfLife(token, { expires_in: 86_399, expires_on: AT / 1000 + 10 }, AT)).toBe(AT + 10_000)
})

test('a field never makes a token live longer, and an unreadable one says nothing', () => {
  const token = { expiresAt: AT + 60_000 }

  expect(endOfLife(token, { expires_in: '86399', expires_on: '253402300799' }, AT)).toBe(
    AT + 60_000,
  )
  expect(endOfLife(token, { expires_in: '', expires_on: 'soon' }, AT)).toBe(AT + 60_000)
})

test('where nobody says, there is no end', () => {
  expect(endOfLife({ expiresAt: undefined }, {}, AT)).toBeUndefined()
})
