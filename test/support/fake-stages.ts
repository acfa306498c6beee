import type { Stages } from '../../src/agent/cycle.ts'
import type { Outcome } from '../../src/conjur/retrieve.ts'
import { ConjurError, type AgentError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Output, Published, Snapshot } from '../../src/outputs/output.ts'
import type { FakeClock } from './fake-clock.ts'

/** A Conjur, a platform and two outputs that a test plays with. */
export interface FakeStages extends Stages {
  /** What happened, in order: `login`, `read`, `token`, `set`, `whoami`. */
  readonly events: string[]
  /** What the server holds, by variable id. */
  readonly server: Map<string, string | Outcome>
  /** Thrown by the next calls of a port, one each. */
  readonly faults: {
    login: AgentError[]
    read: AgentError[]
    set: AgentError[]
    token: AgentError[]
  }
  lifetimeMs: number
  /** When values end, as Conjur shows it; undefined where it is not asked. */
  expiries: readonly number[] | undefined
  answersWhoami: boolean
  /** What the outputs hold. */
  readonly shown: { token: string; values: Record<string, string>; unknown: string[] }
}

/** The monotonic side that the agent wants, over a fake clock. */
export function agentClock(clock: FakeClock): Stages['clock'] {
  return {
    now: () => clock.now(),
    monotonic: () => clock.now(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  }
}

export function unavailable(details: { retryAfterMs?: number } = {}): ConjurError {
  return new ConjurError('CONJUR_UNAVAILABLE', 'away', {
    hint: 'wait',
    retryable: true,
    ...details,
  })
}

export function fakeStages(
  clock: FakeClock,
  values: Readonly<Record<string, string>> = {},
): FakeStages {
  const events: string[] = []
  const server = new Map<string, string | Outcome>(Object.entries(values))
  let logins = 0
  const stages: FakeStages = {
    events,
    server,
    faults: { login: [], read: [], set: [], token: [] },
    lifetimeMs: 480_000,
    expiries: undefined,
    answersWhoami: true,
    shown: { token: '', values: {}, unknown: [] },
    clock: agentClock(clock),
    removeDeleted: true,
    identity: {
      name: 'fake',
      watched: [],
      token: async () => ({
        kind: 'jwt',
        secret: new Secret('jwt'),
        header: {},
        claims: {},
        expiresAt: undefined,
      }),
    },
    async authenticate(_platformToken, signal) {
      signal.throwIfAborted()
      events.push('login')
      throwNext(stages.faults.login)
      logins++
      return {
        secret: new Secret(`token-${logins}`),
        lifetimeMs: stages.lifetimeMs,
        login: 'host/a',
      }
    },
    async retrieve(_token, signal) {
      signal.throwIfAborted()
      events.push('read')
      throwNext(stages.faults.read)
      const outcomes = new Map(
        [...server].map(([id, held]): [string, Outcome] => [
          id,
          typeof held === 'string' ? { kind: 'value', value: new Secret(held) } : held,
        ]),
      )
      const { expiries } = stages
      return { outcomes, ...(expiries === undefined ? {} : { expiries }) }
    },
    async isConjur() {
      events.push('whoami')
      return stages.answersWhoami
    },
    tokenOutput: output('token', ({ accessToken }) => {
      throwNext(stages.faults.token)
      stages.shown.token = accessToken.text()
    }),
    outputs: [
      output('set', (snapshot) => {
        throwNext(stages.faults.set)
        stages.shown.values = Object.fromEntries(
          [...snapshot.values].map(([id, value]) => [id, value.text()]),
        )
        stages.shown.unknown = [...snapshot.unknown]
      }),
    ],
  }
  function output(name: string, take: (snapshot: Snapshot) => void): Output {
    return {
      name,
      async publish(snapshot, signal): Promise<readonly Published[]> {
        signal.throwIfAborted()
        events.push(name)
        take(snapshot)
        return [{ name, kind: name, values: snapshot.values.size, state: 'written' }]
      },
    }
  }
  return stages
}

function throwNext(faults: AgentError[]): void {
  const fault = faults.shift()
  if (fault !== undefined) throw fault
}
