import { expect, test } from 'vitest'
import { readExpiries } from '../../src/agent/expiries.ts'
import { unavailable } from '../support/fake-stages.ts'

const never = new AbortController().signal
const wanted = new Map([
  ['a', 1],
  ['b', 2],
])

test('the ends of what is wanted are read from the list', async () => {
  const list = [
    { id: 'a', expiresAt: 5 },
    { id: 'b', expiresAt: undefined },
    { id: 'c', expiresAt: 3 },
  ]

  const expiries = await readExpiries(wanted, async () => list, never)

  expect(expiries).toEqual([5])
})

test('P3 a list that cannot be had costs no value', async () => {
  const expiries = await readExpiries(wanted, () => Promise.reject(unavailable()), never)

  expect(expiries).toBeUndefined()
})

test('an end of the program is no failure of the list', async () => {
  const ended = AbortSignal.abort(new Error('asked to end'))

  const expiries = readExpiries(wanted, () => Promise.reject(ended.reason), ended)

  await expect(expiries).rejects.toThrow('asked to end')
})
