import { expect, test } from 'vitest'
import { createConnection } from '../../src/agent/connection.ts'
import type { Outcome } from '../../src/conjur/retrieve.ts'
import { ConjurError } from '../../src/core/errors.ts'
import { fakeClock, type FakeClock } from '../support/fake-clock.ts'
import { fakeStages, unavailable, type FakeStages } from '../support/fake-stages.ts'

const { signal } = new AbortController()

function connection(
  values: Readonly<Record<string, string>>,
  clock: FakeClock = fakeClock(),
): { stages: FakeStages; read: () => Promise<Record<string, string>> } {
  const stages = fakeStages(clock, values)
  const read = createConnection({
    ...stages,
    retrieve: async (token, _ids, given) => (await stages.retrieve(token, given)).outcomes,
  })
  return { stages, read: async () => shown(await read(['a', 'b'], signal)) }
}

function shown(outcomes: ReadonlyMap<string, Outcome>): Record<string, string> {
  return Object.fromEntries(
    [...outcomes].map(([id, outcome]) => [
      id,
      outcome.kind === 'value'
        ? outcome.value.text()
        : outcome.kind === 'failed'
          ? outcome.error.code
          : outcome.kind,
    ]),
  )
}

const refused = (): ConjurError =>
  new ConjurError('CONJUR_UNAUTHENTICATED', 'no', { hint: 'h', retryable: true })

test('the first reading logs in, the next uses the token again', async () => {
  const { stages, read } = connection({ a: '1', b: '2' })

  expect(await read()).toEqual({ a: '1', b: '2' })
  expect(await read()).toEqual({ a: '1', b: '2' })
  expect(stages.events).toEqual(['login', 'read', 'read'])
})

test('a token that is no longer fresh is replaced', async () => {
  const clock = fakeClock()
  const { stages, read } = connection({ a: '1' }, clock)
  await read()
  await clock.advance(361_000)

  await read()

  expect(stages.events).toEqual(['login', 'read', 'login', 'read'])
})

test('a token that Conjur no longer takes is replaced at once', async () => {
  const { stages, read } = connection({ a: '1' })
  await read()
  stages.faults.read.push(refused())

  expect(await read()).toEqual({ a: '1' })
  expect(stages.events).toEqual(['login', 'read', 'read', 'login', 'read'])
})

test('P4 whatever else goes wrong is said of each variable, and costs no login', async () => {
  const { stages, read } = connection({ a: '1' })
  await read()
  stages.faults.read.push(unavailable())

  expect(await read()).toEqual({ a: 'CONJUR_UNAVAILABLE', b: 'CONJUR_UNAVAILABLE' })
  expect(stages.events).toEqual(['login', 'read', 'read'])
})

test('P4 a server that takes a login has shown itself; its refusals count', async () => {
  const { stages, read } = connection({})
  stages.server.set('a', { kind: 'forbidden' })
  stages.answersWhoami = false

  expect(await read()).toEqual({ a: 'forbidden' })
  expect(stages.events).toEqual(['login', 'read'])
})

test('P4 later it must show itself again, or its refusals are none', async () => {
  const { stages, read } = connection({})
  stages.server.set('a', { kind: 'forbidden' })
  await read()

  expect(await read()).toEqual({ a: 'forbidden' })
  stages.answersWhoami = false
  expect(await read()).toEqual({ a: 'CONJUR_BAD_REPLY' })
})

test('P4 a refusal that proves nothing says who to ask', async () => {
  const stages = fakeStages(fakeClock())
  const read = createConnection({
    ...stages,
    retrieve: async (token, _ids, given) => (await stages.retrieve(token, given)).outcomes,
  })
  stages.server.set('a', { kind: 'missing' })
  await read(['a'], signal)
  stages.answersWhoami = false

  const outcome = (await read(['a'], signal)).get('a')

  expect(outcome).toMatchObject({
    kind: 'failed',
    error: {
      message: 'a connection refuses every variable and does not say whose token it was shown',
      hint: 'curl -i on its applianceUrl shows who answers there: a proxy, a portal, or a base path that is missing',
      retryable: true,
    },
  })
})

test('P7 a reading that is cut short is no failure of the server', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  const read = createConnection({
    ...stages,
    retrieve: async (token, _ids, given) => (await stages.retrieve(token, given)).outcomes,
  })
  const stopped = new Error('stopped')

  await expect(read(['a'], AbortSignal.abort(stopped))).rejects.toBe(stopped)
})

test('a fault of our own is not hidden', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  const read = createConnection({
    ...stages,
    retrieve: async () => {
      throw new TypeError('ours')
    },
  })

  await expect(read(['a'], signal)).rejects.toThrow('ours')
})
