import { expect, test } from 'vitest'
import { StepFailed, until } from '../../src/demo/until.ts'

const expected = { step: 'publish', otherwise: 'db.json did not change', withinMs: 40 }

test('what is there is found, however long it took', async () => {
  let looks = 0
  const look = (): number | undefined => (++looks === 3 ? looks : undefined)

  const found = await until({
    ...expected,
    withinMs: 10_000,
    look,
    signal: new AbortController().signal,
  })

  expect(found).toBe(3)
})

test('what does not come true fails with its step and its time', async () => {
  const waiting = until({
    ...expected,
    look: () => undefined,
    signal: new AbortController().signal,
  })

  await expect(waiting).rejects.toEqual(
    new StepFailed('publish', 'db.json did not change within 0.04 s'),
  )
})

test('an end that is asked for ends the waiting', async () => {
  const stop = new AbortController()
  const waiting = until({
    ...expected,
    withinMs: 10_000,
    look: () => undefined,
    signal: stop.signal,
  })

  stop.abort(new Error('asked to end'))

  await expect(waiting).rejects.toThrow('asked to end')
})
