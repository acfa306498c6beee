import { expect, test } from 'vitest'
import { cycle, type Report, type Task } from '../../src/agent/cycle.ts'
import { emptyMemory, type Memory } from '../../src/agent/memory.ts'
import type { Outcome } from '../../src/conjur/retrieve.ts'
import { ConjurError, OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Published, Snapshot } from '../../src/outputs/output.ts'
import { fakeClock } from '../support/fake-clock.ts'
import { fakeStages, unavailable, type FakeStages } from '../support/fake-stages.ts'

const signal = new AbortController().signal
const all: Task = { values: true, renew: false }

function pass(stages: FakeStages, memory: Memory = emptyMemory, task = all): Promise<Report> {
  return cycle(stages, { memory, task }, signal)
}

const failed = { kind: 'failed', error: unavailable() } as const
const refused = (): ConjurError =>
  new ConjurError('CONJUR_UNAUTHENTICATED', 'no', { hint: 'h', retryable: true })

test('the first pass logs in, writes the token, reads and publishes', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })

  const report = await pass(stages)

  expect(stages.events).toEqual(['login', 'token', 'read', 'set'])
  expect(stages.shown).toEqual({ token: 'token-1', values: { a: '1' }, unknown: [] })
  expect(report).toMatchObject({ loggedIn: true, error: undefined, outputErrors: [] })
  expect(report.published.map(({ name }) => name)).toEqual(['token', 'set'])
})

test('a fresh access token is used again', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  const { memory } = await pass(stages)
  stages.events.length = 0

  await pass(stages, memory)

  expect(stages.events).toEqual(['token', 'read', 'set'])
})

test('P3 a token with less than a quarter of its life left is replaced first', async () => {
  const clock = fakeClock()
  const stages = fakeStages(clock, { a: '1' })
  const { memory } = await pass(stages)
  await clock.advance(361_000)

  const report = await pass(stages, memory)

  expect(report.loggedIn).toBe(true)
  expect(stages.shown.token).toBe('token-2')
})

test('an access token that is refused is replaced once, in the same pass', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  const { memory } = await pass(stages)
  stages.faults.read.push(refused())
  stages.events.length = 0

  const report = await pass(stages, memory)

  expect(stages.events).toEqual(['token', 'read', 'login', 'token', 'read', 'set'])
  expect(report.error).toBeUndefined()
})

test('P3 a renewal touches the token file and nothing else', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  const { memory } = await pass(stages)
  stages.events.length = 0

  await pass(stages, memory, { values: false, renew: true })

  expect(stages.events).toEqual(['login', 'token'])
})

test('P4 a failure leaves everything that was known', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  const { memory } = await pass(stages)
  stages.faults.read.push(unavailable())

  const report = await pass(stages, memory)

  expect(report.error?.code).toBe('CONJUR_UNAVAILABLE')
  expect(report.memory.values).toEqual(memory.values)
  expect(stages.shown.values).toEqual({ a: '1' })
})

test('a login that worked is kept although the values did not come', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  stages.faults.read.push(unavailable())

  const report = await pass(stages)

  expect(report.memory.held?.token.secret.text()).toBe('token-1')
})

test('P4 one refusal keeps the value, the second in a row takes it', async () => {
  const stages = fakeStages(fakeClock(), { a: '1', b: '2' })
  const first = await pass(stages)
  stages.server.set('b', { kind: 'forbidden' })

  const second = await pass(stages, first.memory)
  expect(stages.shown).toMatchObject({ values: { a: '1', b: '2' }, unknown: [] })
  await pass(stages, second.memory)

  expect(stages.shown).toMatchObject({ values: { a: '1' }, unknown: [] })
})

test('P4 a refusal, a value and a refusal are not two in a row', async () => {
  const stages = fakeStages(fakeClock(), { a: '1', b: '2' })
  let { memory } = await pass(stages)

  for (const answer of [{ kind: 'missing' } as const, '2', { kind: 'missing' } as const]) {
    stages.server.set('b', answer)
    ;({ memory } = await pass(stages, memory))
  }

  expect(stages.shown.values).toEqual({ a: '1', b: '2' })
})

test('P4 a refusal, a failure and a refusal are not two in a row', async () => {
  const stages = fakeStages(fakeClock(), { a: '1', b: '2' })
  let { memory } = await pass(stages)

  for (const answer of [{ kind: 'missing' }, failed, { kind: 'forbidden' }] as const) {
    stages.server.set('b', answer)
    ;({ memory } = await pass(stages, memory))
  }

  expect(stages.shown.values).toEqual({ a: '1', b: '2' })
})

test('P4 refusals from something that is not Conjur never count', async () => {
  const stages = fakeStages(fakeClock(), { b: '2' })
  stages.answersWhoami = false
  let { memory } = await pass(stages)
  stages.server.set('b', { kind: 'forbidden' })

  for (let count = 0; count < 5; count++) ({ memory } = await pass(stages, memory))

  expect(stages.events.filter((event) => event === 'whoami')).toHaveLength(5)
  expect(stages.shown.values).toEqual({ b: '2' })
})

test('P4 with removal switched off a refused value stays for good', async () => {
  const stages = { ...fakeStages(fakeClock(), { a: '1', b: '2' }), removeDeleted: false }
  let { memory } = await pass(stages)
  stages.server.set('b', { kind: 'missing' })

  for (let count = 0; count < 3; count++) ({ memory } = await pass(stages, memory))

  expect(stages.shown.values).toEqual({ a: '1', b: '2' })
})

test('P4 what an agent that just started cannot learn is unknown, not gone', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  stages.server.set('b', { kind: 'missing' })

  await pass(stages)

  expect(stages.shown).toMatchObject({ values: { a: '1' }, unknown: ['b'] })
})

test('an output that fails does not stop the others', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  stages.faults.token.push(new OutputError('OUTPUT_UNWRITABLE', 'no', { hint: 'h' }))

  const report = await pass(stages)

  expect(report.outputErrors.map(({ code }) => code)).toEqual(['OUTPUT_UNWRITABLE'])
  expect(stages.shown.values).toEqual({ a: '1' })
})

test('a token that is refused right after its login is not asked for again', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  stages.faults.read.push(refused())

  const report = await pass(stages)

  expect(stages.events).toEqual(['login', 'token', 'read'])
  expect(report).toMatchObject({ isTokenRefused: false, error: { code: 'CONJUR_UNAUTHENTICATED' } })
})

test('where no token file is asked for, none is written', async () => {
  const stages = { ...fakeStages(fakeClock(), { a: '1' }), tokenOutput: undefined }
  const { memory } = await cycle(stages, { memory: emptyMemory, task: all }, signal)

  await cycle(stages, { memory, task: all }, signal)

  expect(stages.events).toEqual(['login', 'read', 'set', 'read', 'set'])
})

test('a defect of ours is no report', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  const defect = new TypeError('ours')
  const broken = [
    { ...stages, retrieve: () => Promise.reject(defect) },
    { ...stages, outputs: [{ name: 'set', publish: () => Promise.reject(defect) }] },
  ]
  const { memory } = await pass(stages)

  for (const one of broken) {
    await expect(cycle(one, { memory, task: all }, signal)).rejects.toBe(defect)
  }
})

test('P4 the connection of followers refuses for itself', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  stages.answersWhoami = false
  let answer: Outcome = { kind: 'value', value: new Secret('1') }
  const both: FakeStages = {
    ...stages,
    retrieve: async (token, end) => ({
      ...(await stages.retrieve(token, end)),
      others: new Map([['old:a', answer]]),
    }),
  }
  let { memory } = await pass(both)
  answer = { kind: 'missing' }

  for (let count = 0; count < 2; count++) ({ memory } = await pass(both, memory))

  expect([stages.shown.values, stages.shown.unknown]).toEqual([{ a: '1' }, []])
})

test('P4 which variables there are is told to the outputs, where it is known', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })
  const told: unknown[] = []
  const publish = async (snapshot: Snapshot): Promise<readonly Published[]> => {
    told.push('listed' in snapshot ? snapshot.listed : 'unknown')
    return []
  }
  for (const listed of [['a', 'b'], undefined]) {
    const retrieve: FakeStages['retrieve'] = async (token, end) => ({
      ...(await stages.retrieve(token, end)),
      ...(listed === undefined ? {} : { listed }),
    })
    await pass({ ...stages, retrieve, outputs: [{ name: 'set', publish }] })
  }

  expect(told).toEqual([['a', 'b'], 'unknown'])
})

function showing(stages: FakeStages, standing: () => readonly Published[]): FakeStages {
  const [set, ...others] = stages.outputs
  return {
    ...stages,
    outputs: [...(set === undefined ? [] : [set, { ...set, standing }]), ...others],
  }
}

test('what an earlier run left is told by a pass that learns nothing', async () => {
  const left = { name: 'db.yaml', kind: 'yaml', values: 1, state: 'kept' } as const
  const stages = showing(fakeStages(fakeClock(), { a: '1' }), () => [left])
  stages.faults.read.push(unavailable())

  const away = await pass(stages)
  const renewal = await pass(stages, away.memory, { values: false, renew: true })
  const { memory } = await pass(stages)
  stages.faults.read.push(unavailable())
  const later = await pass(stages, memory)

  expect([away.standing, renewal.standing, later.standing]).toEqual([[left], [left], undefined])
})

test('P4 an output that cannot even be looked at does not end a pass', async () => {
  const stages = showing(fakeStages(fakeClock(), { a: '1' }), () => {
    throw new OutputError('OUTPUT_UNWRITABLE', 'no', { hint: 'h' })
  })
  stages.faults.read.push(unavailable())

  expect(await pass(stages)).toMatchObject({ error: { code: 'CONJUR_UNAVAILABLE' } })
})

test('P7 an output that fails because the pass is aborted is no failure of that output', async () => {
  const stop = new AbortController()
  const stages = fakeStages(fakeClock(), { a: '1' })
  const publish = (): Promise<never> => {
    stop.abort(new Error('asked to end'))
    return Promise.reject(new OutputError('OUTPUT_UNWRITABLE', 'no', { hint: 'h' }))
  }

  const ended = cycle(
    { ...stages, outputs: [{ name: 'set', publish }] },
    { memory: emptyMemory, task: all },
    stop.signal,
  )

  await expect(ended).rejects.toThrow('asked to end')
})

test('P7 an aborted pass ends with the reason of the signal', async () => {
  const stop = new AbortController()
  const stages = fakeStages(fakeClock(), { a: '1' })
  stop.abort(new Error('asked to end'))

  const ended = cycle(stages, { memory: emptyMemory, task: all }, stop.signal)

  await expect(ended).rejects.toThrow('asked to end')
})

test('P4 a value from another connection proves nothing of the server that refuses', async () => {
  const stages = fakeStages(fakeClock(), { b: '2' })
  stages.answersWhoami = false
  const other = new Map([['old:a', { kind: 'value', value: new Secret('1') } as const]])
  const both: FakeStages = {
    ...stages,
    retrieve: async (token, end) => ({ ...(await stages.retrieve(token, end)), others: other }),
  }
  let { memory } = await pass(both)
  stages.server.set('b', { kind: 'forbidden' })

  for (let count = 0; count < 3; count++) ({ memory } = await pass(both, memory))

  expect(stages.shown.values).toEqual({ b: '2', 'old:a': '1' })
})

function fromFile(stages: FakeStages): Memory {
  const token = { secret: new Secret('token-0'), lifetimeMs: 480_000, login: 'host/a' }
  const received = { now: stages.clock.now(), monotonic: stages.clock.monotonic() }
  return { ...emptyMemory, held: { token, received, isUntested: true } }
}

test('a token of a file is used without a login, and a value shows that Conjur takes it', async () => {
  const stages = fakeStages(fakeClock(), { a: '1' })

  const report = await pass(stages, fromFile(stages))

  expect(stages.events).toEqual(['token', 'read', 'set'])
  expect(report.loggedIn).toBe(false)
  expect(report.memory.held?.isUntested).toBe(false)
})

test('a token of a file that no value has shown is asked about', async () => {
  const stages = fakeStages(fakeClock())

  const report = await pass(stages, fromFile(stages))

  expect(stages.events).toEqual(['token', 'read', 'whoami', 'set'])
  expect(report.loggedIn).toBe(false)
})

test('a token of a file that Conjur does not know is replaced by a login, in the same pass', async () => {
  const stages = fakeStages(fakeClock())
  stages.answersWhoami = false

  const report = await pass(stages, fromFile(stages))

  expect(stages.events).toEqual(['token', 'read', 'whoami', 'login', 'token', 'read', 'set'])
  expect(report).toMatchObject({ loggedIn: true, isTokenRefused: true, error: undefined })
})
