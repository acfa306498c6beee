import { expect, test } from 'vitest'
import { whileLeading, type Lease } from '../../src/agent/leader.ts'
import { fakeClock, type FakeClock } from '../support/fake-clock.ts'
import { agentClock } from '../support/fake-stages.ts'

interface FakeLease extends Lease {
  /** While set, neither reading nor writing works. */
  isAway: boolean
  holder(): string
}

/** A Lease of the API server's manners: a write over an outdated version fails. */
function fakeLease(): FakeLease {
  let held: Awaited<ReturnType<Lease['read']>>
  const lease: FakeLease = {
    isAway: false,
    holder: () => held?.holder ?? '',
    async read() {
      if (lease.isAway) throw new Error('away')
      return held
    },
    async write(holder, { now, seconds, over }) {
      if (lease.isAway) throw new Error('away')
      if (over?.version !== held?.version) return false
      held = {
        holder,
        endsAt: now + seconds * 1000,
        version: String(Number(held?.version ?? 0) + 1),
        transitions: 0,
      }
      return true
    },
  }
  return lease
}

interface Replica {
  readonly states: string[]
  isWorking(): boolean
  stop(): Promise<void>
}

function replica(identity: string, lease: Lease, clock: FakeClock): Replica {
  const states: string[] = []
  const end = new AbortController()
  let working = false
  const done = whileLeading(
    { lease, identity, clock: agentClock(clock), onChange: (state) => states.push(state) },
    async (signal) => {
      working = true
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      working = false
    },
    end.signal,
  ).catch((error: unknown) => {
    if (!end.signal.aborted) throw error
  })
  return {
    states,
    isWorking: () => working,
    async stop() {
      end.abort(new Error('asked to end'))
      await done
    },
  }
}

async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let moved = 0; moved < ms; moved += 1000) {
    await clock.advance(1000)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

test('of two replicas one works, and the other takes over when it is stopped', async () => {
  const clock = fakeClock()
  const lease = fakeLease()
  const first = replica('web-1', lease, clock)
  await pass(clock, 1000)
  const second = replica('web-2', lease, clock)
  await pass(clock, 30_000)
  expect([first.isWorking(), second.isWorking()]).toEqual([true, false])

  await first.stop()
  await pass(clock, 6000)

  expect([first.isWorking(), second.isWorking()]).toEqual([false, true])
  expect(second.states).toEqual(['following', 'leading'])
  await second.stop()
  expect(lease.holder()).toBe('')
})

test('a replica that is killed is succeeded when its Lease ends', async () => {
  const clock = fakeClock()
  const lease = fakeLease()
  await lease.write('web-dead', { now: clock.now(), seconds: 15, over: undefined })
  const second = replica('web-2', lease, clock)

  await pass(clock, 10_000)
  expect(second.isWorking()).toBe(false)
  await pass(clock, 11_000)

  expect(second.isWorking()).toBe(true)
  await second.stop()
})

test('a leader that cannot reach the Lease works on while it lasts, and no longer', async () => {
  const clock = fakeClock()
  const lease = fakeLease()
  const first = replica('web-1', lease, clock)
  await pass(clock, 6000)

  lease.isAway = true
  await pass(clock, 8000)
  expect(first.isWorking()).toBe(true)
  await pass(clock, 12_000)
  expect(first.isWorking()).toBe(false)
  lease.isAway = false
  await pass(clock, 6000)

  expect(first.isWorking()).toBe(true)
  expect(first.states).toEqual(['leading', 'unknown', 'leading'])
  await first.stop()
})

test('P7 an end is heard at once', async () => {
  const clock = fakeClock()
  const first = replica('web-1', fakeLease(), clock)
  await pass(clock, 2000)
  const before = clock.now()

  await first.stop()

  expect(clock.now()).toBe(before)
  expect(first.isWorking()).toBe(false)
})

test('work that fails by itself is heard, and the Lease given back', async () => {
  const clock = fakeClock()
  const lease = fakeLease()
  const defect = new Error('ours')

  const led = whileLeading(
    { lease, identity: 'web-1', clock: agentClock(clock), onChange: () => undefined },
    () => Promise.reject(defect),
    new AbortController().signal,
  )

  await expect(led).rejects.toBe(defect)
  expect(lease.holder()).toBe('')
})

test('a replica that never led gives nothing back', async () => {
  const clock = fakeClock()
  const lease = fakeLease()
  await lease.write('web-2', { now: clock.now(), seconds: 15, over: undefined })
  const own = replica('web-2', { ...lease, write: async () => false }, clock)
  await pass(clock, 1000)

  await own.stop()

  expect(lease.holder()).toBe('web-2')
})

test('P7 one that is asked to end before its turn does not take the Lease', async () => {
  const clock = fakeClock()
  const lease = fakeLease()

  const led = whileLeading(
    { lease, identity: 'web-1', clock: agentClock(clock), onChange: () => undefined },
    () => new Promise(() => undefined),
    AbortSignal.abort(new Error('asked to end')),
  )

  await expect(led).rejects.toThrow('asked to end')
  expect(lease.holder()).toBe('')
})
