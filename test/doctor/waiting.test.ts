import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { waitingOn } from '../../src/doctor/waiting.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('nothing is said for 200 ms, then one line that is redrawn and taken away', () => {
  const written: string[] = []
  const waiting = waitingOn((text) => written.push(text))

  waiting.for('login')
  vi.advanceTimersByTime(199)
  expect(written).toEqual([])

  vi.advanceTimersByTime(1001)
  waiting.stop()
  expect(written[0]).toBe('\r\u001B[K… login, 0.2 s')
  expect(written.length).toBeLessThanOrEqual(12)
  expect(written.at(-1)).toBe('\r\u001B[K')
})

test('what is done at once is never told', () => {
  const written: string[] = []
  const waiting = waitingOn((text) => written.push(text))

  waiting.for('login')
  waiting.stop()
  vi.advanceTimersByTime(1000)

  expect(written).toEqual([])
})

test('the line says why the wait goes on', () => {
  const written: string[] = []
  const waiting = waitingOn((text) => written.push(text))

  waiting.for('token')
  waiting.because('IDENTITY_NOT_READY, again in 1.7 s')
  vi.advanceTimersByTime(200)

  expect(written).toEqual(['\r\u001B[K… token: IDENTITY_NOT_READY, again in 1.7 s, 0.2 s'])
})
