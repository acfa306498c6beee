import { expect, test } from 'vitest'
import type { Report } from '../../src/agent/cycle.ts'
import { liveness, readiness } from '../../src/agent/health.ts'
import { emptyMemory } from '../../src/agent/memory.ts'
import {
  firstStatus,
  nextStatus,
  standbyStatus,
  type StatusDocument,
} from '../../src/agent/status.ts'
import { ConjurError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { fakeClock } from '../support/fake-clock.ts'
import { agentClock } from '../support/fake-stages.ts'

const clock = fakeClock(Date.parse('2026-01-20T09:00:00Z'))
const error = new ConjurError('CONJUR_UNREACHABLE', 'gone', { hint: 'h', retryable: true })

function report(overrides: Partial<Report> = {}): Report {
  const token = { secret: new Secret('canary'), lifetimeMs: 480_000, login: 'host/a' }
  return {
    memory: {
      ...emptyMemory,
      held: { token, received: { now: clock.now(), monotonic: clock.now() } },
    },
    loggedIn: true,
    outcomes: new Map(),
    published: [{ name: 'db.json', kind: 'json', values: 2, state: 'written' }],
    error: undefined,
    outputErrors: [],
    ...overrides,
  }
}

function after(before: StatusDocument, passed: Report, retryMs?: number): StatusDocument {
  const retry = retryMs === undefined ? undefined : { error, attempt: 1, waitMs: retryMs }
  const next = { retry, valuesInMs: 300_000, renewalInMs: 360_000 }
  return nextStatus(before, { report: passed, next, clock: agentClock(clock) })
}

const first = firstStatus('sidecar', clock.now())

test('before the first pass the agent lives and is not ready', () => {
  expect(liveness(first, clock.now()).ok).toBe(true)
  expect(readiness(first, clock.now())).toEqual({ ok: false, reasons: ['no pass has ended yet'] })
})

test('after a good pass it is ready, and says when what is due', () => {
  const status = after(first, report())

  expect(status).toMatchObject({
    ready: true,
    nextPassAt: '2026-01-20T09:05:00.000Z',
    accessToken: {
      login: 'host/a',
      lifetimeSeconds: 480,
      expiresAt: '2026-01-20T09:08:00.000Z',
      renewsAt: '2026-01-20T09:06:00.000Z',
    },
    outputs: [{ name: 'db.json', state: 'fresh', changedAt: '2026-01-20T09:00:00.000Z' }],
  })
  expect(JSON.stringify(status)).not.toContain('canary')
})

test('while a failure waits to be tried again the next pass is that try, however long the wait', () => {
  const next = {
    retry: { error, attempt: 9, waitMs: 240_000 },
    valuesInMs: -1000,
    renewalInMs: -500,
  }

  const status = nextStatus(first, { report: report(), next, clock: agentClock(clock) })

  expect(status.nextPassAt).toBe('2026-01-20T09:04:00.000Z')
})

test('P3 a pass that waits for a platform or a Conjur that hangs is alive', () => {
  const status = after(first, report(), 1000)

  expect(liveness(status, clock.now() + 301_000).ok).toBe(true)
  expect(liveness(status, clock.now() + 602_000).ok).toBe(false)
})

test('P3 an outage keeps it ready while the token lives, and shows the outputs as kept', () => {
  const status = after(after(first, report()), report({ published: [], error }), 1700)

  expect(status.ready).toBe(true)
  expect(status.outputs).toMatchObject([{ state: 'kept', error: { code: 'CONJUR_UNREACHABLE' } }])
  expect(status.lastError).toMatchObject({ code: 'CONJUR_UNREACHABLE', attempt: 1 })
})

test('P3 readiness ends when the token does', () => {
  const status = after(first, report())

  const later = readiness(status, clock.now() + 480_000)

  expect(later).toEqual({ ok: false, reasons: ['the access token is expired'] })
})

test('an output that was never published keeps it from being ready', () => {
  const published = [{ name: 'db.json', kind: 'json', values: 0, state: 'missing' }] as const

  expect(after(first, report({ published })).reasons).toEqual(['db.json was never published'])
})

test('a loop that stands still is not live', () => {
  const status = after(first, report())

  expect(liveness(status, clock.now() + 300_000 + 601_000).ok).toBe(false)
})

test('an output that is older than it may be ends readiness, until Conjur was looked at again', () => {
  const aged = { next: { retry: undefined, valuesInMs: 300_000, renewalInMs: 360_000 } }
  const staleAfterMs = (): number => 60_000
  const status = nextStatus(first, {
    report: report(),
    clock: agentClock(clock),
    staleAfterMs,
    ...aged,
  })

  expect(readiness(status, clock.now() + 59_000).ok).toBe(true)
  expect(readiness(status, clock.now() + 60_000)).toEqual({
    ok: false,
    reasons: ['db.json is older than it may be'],
  })
})

test('P4 an output whose variable Conjur refuses is shown as kept, with the variable', () => {
  const refused = new ConjurError('CONJUR_FORBIDDEN', 'no', {
    hint: 'h',
    facts: { variable: 'a/b' },
  })
  const next = { retry: undefined, valuesInMs: 300_000, renewalInMs: 360_000 }
  const published = [{ name: 'db.json', kind: 'json', values: 2, state: 'same' }] as const

  const status = nextStatus(first, {
    report: report({ published }),
    next,
    clock: agentClock(clock),
    kept: new Map([['db.json', refused]]),
  })

  expect(status.outputs).toMatchObject([
    { state: 'kept', error: { code: 'CONJUR_FORBIDDEN', variable: 'a/b' } },
  ])
})

test('a replica that follows is live and ready, whatever it did as a leader; without the Lease it is not ready', () => {
  const next = { retry: undefined, valuesInMs: 300_000, renewalInMs: 360_000 }
  const led = nextStatus(first, { report: report(), clock: agentClock(clock), next })
  const later = clock.now() + 3_600_000
  const following = standbyStatus(led, { now: later, reasons: [] })
  const lost = standbyStatus(led, { now: later, reasons: ['the Lease cannot be reached'] })

  expect(liveness(led, later).ok).toBe(false)
  expect([liveness(following, later).ok, readiness(following, later).ok]).toEqual([true, true])
  expect([following.ready, following.startedAt]).toEqual([true, first.startedAt])
  expect(liveness(lost, later).ok).toBe(true)
  expect(readiness(lost, later)).toEqual({ ok: false, reasons: ['the Lease cannot be reached'] })
})

test('an access token alone does not let an application start that waits for its values', () => {
  const published = [{ name: 'access-token', kind: 'token', values: 0, state: 'written' }] as const

  const early = after(first, report({ published, error }), 1000)

  expect(early.reasons).toEqual(['gone'])
})

test('P3 what an earlier run left is kept and ready through an outage; what is not there is not', () => {
  const kept = { name: 'db.json', kind: 'json', values: 2, state: 'kept' } as const
  const lacking = { ...kept, name: 'key.json', state: 'missing' } as const
  const failed = { published: [], error }

  const [whole, part] = [[kept], [kept, lacking]].map((standing) =>
    after(first, report({ ...failed, standing }), 1000),
  )

  expect(whole).toMatchObject({ ready: true, outputs: [{ name: 'db.json', state: 'kept' }] })
  expect(part?.reasons).toEqual(['key.json was never published'])
})

const pass = { retry: undefined, valuesInMs: 300_000, renewalInMs: 360_000 }

test('the document before the first pass is whole', () => {
  expect(first).toEqual({
    schema: 'conjur-agent/status/v1',
    mode: 'sidecar',
    startedAt: '2026-01-20T09:00:00.000Z',
    writtenAt: '2026-01-20T09:00:00.000Z',
    ready: false,
    reasons: ['no pass has ended yet'],
    outputs: [],
  })
})

test('the document after a good pass is whole, and an error in it ends with the next', () => {
  const failed = after(first, report({ published: [], error }), 1700)
  const published = [
    { name: 'db.json', kind: 'json', values: 2, state: 'written' },
    { name: 'access-token', kind: 'token', values: 0, state: 'same' },
  ] as const

  expect(after(failed, report({ published }))).toEqual({
    schema: 'conjur-agent/status/v1',
    mode: 'sidecar',
    startedAt: '2026-01-20T09:00:00.000Z',
    writtenAt: '2026-01-20T09:00:00.000Z',
    ready: true,
    reasons: [],
    nextPassAt: '2026-01-20T09:05:00.000Z',
    accessToken: {
      login: 'host/a',
      lifetimeSeconds: 480,
      expiresAt: '2026-01-20T09:08:00.000Z',
      renewsAt: '2026-01-20T09:06:00.000Z',
    },
    outputs: [
      {
        name: 'db.json',
        kind: 'json',
        values: 2,
        state: 'fresh',
        changedAt: '2026-01-20T09:00:00.000Z',
        checkedAt: '2026-01-20T09:00:00.000Z',
        nextAt: '2026-01-20T09:05:00.000Z',
      },
      {
        name: 'access-token',
        kind: 'token',
        values: 0,
        state: 'fresh',
        checkedAt: '2026-01-20T09:00:00.000Z',
        nextAt: '2026-01-20T09:06:00.000Z',
      },
    ],
  })
})

test('a failed pass says when it is tried again, of the values and of the whole', () => {
  const published = [
    { name: 'db.json', kind: 'json', values: 2, state: 'kept' },
    { name: 'access-token', kind: 'token', values: 0, state: 'same' },
  ] as const
  const next = { ...pass, retry: { error, attempt: 3, waitMs: 2000 } }

  const status = nextStatus(first, {
    report: report({ published, error }),
    next,
    clock: agentClock(clock),
  })

  expect(status.nextPassAt).toBe('2026-01-20T09:00:02.000Z')
  expect(status.outputs.map(({ nextAt }) => nextAt)).toEqual([
    '2026-01-20T09:00:02.000Z',
    '2026-01-20T09:06:00.000Z',
  ])
  expect(status.lastError).toEqual({
    code: 'CONJUR_UNREACHABLE',
    message: 'gone',
    at: '2026-01-20T09:00:00.000Z',
    attempt: 3,
  })
})

test('what is not done again has no time', () => {
  const never = { retry: undefined, valuesInMs: undefined, renewalInMs: undefined }

  const status = nextStatus(first, { report: report(), next: never, clock: agentClock(clock) })

  expect(status).not.toHaveProperty('nextPassAt')
  expect(status.accessToken).not.toHaveProperty('renewsAt')
  expect(status.outputs[0]).not.toHaveProperty('nextAt')
})

test('a pass that is overdue is due now, not in the past', () => {
  const status = nextStatus(first, {
    report: report(),
    next: { ...pass, valuesInMs: -5000 },
    clock: agentClock(clock),
  })

  expect(status.nextPassAt).toBe('2026-01-20T09:00:00.000Z')
})

test('P3 without a token, or with one that has just ended, it is not ready', () => {
  const spent = report()
  const { held } = spent.memory
  const ago = { now: clock.now() - 480_000, monotonic: clock.now() - 480_000 }
  const memory =
    held === undefined ? spent.memory : { ...spent.memory, held: { ...held, received: ago } }

  const ended = after(first, report({ memory }))
  const none = after(first, report({ memory: emptyMemory }))

  expect(ended.reasons).toEqual(['there is no access token that is not expired'])
  expect(ended.accessToken?.expiresAt).toBe('2026-01-20T09:00:00.000Z')
  expect(none.reasons).toEqual(['there is no access token that is not expired'])
  expect(none).not.toHaveProperty('accessToken')
})

test('what was removed is shown as removed since that pass', () => {
  const published = [{ name: 'db.json', kind: 'json', values: 0, state: 'removed' }] as const

  expect(after(first, report({ published })).outputs).toMatchObject([
    { state: 'removed', changedAt: '2026-01-20T09:00:00.000Z' },
  ])
})

test('where the token is all that was asked for, it alone makes ready', () => {
  const published = [{ name: 'access-token', kind: 'token', values: 0, state: 'written' }] as const
  const next = { ...pass, retry: { error, attempt: 1, waitMs: 1000 } }

  const status = nextStatus(first, {
    report: report({ published, error }),
    next,
    clock: agentClock(clock),
    wantsValues: false,
  })

  expect(status.ready).toBe(true)
})

test('P4 a pass that ended early leaves alone what it had published, and what never was', () => {
  const before = after(
    first,
    report({
      published: [
        { name: 'a', kind: 'json', values: 1, state: 'written' },
        { name: 'b', kind: 'json', values: 1, state: 'written' },
        { name: 'c', kind: 'json', values: 0, state: 'missing' },
      ],
    }),
  )
  const published = [{ name: 'a', kind: 'json', values: 1, state: 'same' }] as const
  const standing = [{ name: 'b', kind: 'json', values: 1, state: 'kept' }] as const

  const status = after(before, report({ published, standing, error }), 1000)

  expect(status.outputs).toMatchObject([
    { name: 'a', state: 'fresh' },
    { name: 'b', state: 'kept', changedAt: '2026-01-20T09:00:00.000Z' },
    { name: 'c', state: 'missing' },
  ])
  expect(status.outputs[0]).not.toHaveProperty('error')
  expect(status.outputs[2]).not.toHaveProperty('error')
})

test('a file that cannot be looked at again keeps the time at which it is too old', () => {
  const staleAfterMs = (): number => 60_000
  const aged = { clock: agentClock(clock), next: pass, staleAfterMs }
  const before = nextStatus(first, { ...aged, report: report() })
  const kept = [{ name: 'db.json', kind: 'json', values: 2, state: 'kept' }] as const

  const status = nextStatus(before, { ...aged, report: report({ published: kept }) })

  expect(before.outputs[0]?.staleAt).toBe('2026-01-20T09:01:00.000Z')
  expect(status.outputs[0]?.staleAt).toBe('2026-01-20T09:01:00.000Z')
})

test('a loop is overdue by so many seconds, and just in time is in time', () => {
  const status = after(first, report())
  const due = clock.now() + 300_000

  expect(liveness(status, due + 600_000)).toEqual({ ok: true, reasons: [] })
  expect(liveness(status, due + 600_600)).toEqual({
    ok: false,
    reasons: ['the next pass is 601 s overdue'],
  })
})

test('what an earlier run wrote tells when, until it is written anew', () => {
  const published = [{ name: 'db.json', kind: 'json', values: 2, state: 'same' }] as const
  const next = { retry: undefined, valuesInMs: 300_000, renewalInMs: 360_000 }
  const at = clock.now() - 60_000
  const facts = { next, clock: agentClock(clock), writtenAt: () => at }

  const found = nextStatus(first, { report: report({ published }), ...facts })
  const anew = nextStatus(found, { report: report(), ...facts })

  expect(found.outputs[0]?.changedAt).toBe('2026-01-20T08:59:00.000Z')
  expect(anew.outputs[0]?.changedAt).toBe('2026-01-20T09:00:00.000Z')
})
