import { expect, test } from 'vitest'

import { once, type Retry } from '../../src/agent/once.ts'
import { ConjurError, IdentityError, OutputError, type AgentError } from '../../src/core/errors.ts'
import { hastyClock } from '../support/fake-clock.ts'
import { fakeIdentity } from '../support/fake-identity.ts'
import { fakeStages, unavailable } from '../support/fake-stages.ts'

const signal = new AbortController().signal

test.each(['IDENTITY_NOT_READY', 'IDENTITY_ABSENT'] as const)(
  '%s is final: the source has waited for its platform already',
  async (code) => {
    const identity = fakeIdentity(
      new IdentityError(code, 'not there', { hint: 'wait', retryable: true }),
    )

    const { error, retries } = await run(identity)

    expect(error).toMatchObject({ code })
    expect(identity.asked).toBe(1)
    expect(retries).toEqual([])
  },
)

test('an expired token file is read again, as often as Conjur is asked again', async () => {
  const identity = fakeIdentity(
    new IdentityError('IDENTITY_EXPIRED', 'expired', { hint: 'wait', retryable: true }),
  )

  const { error } = await run(identity)

  expect(error).toMatchObject({ code: 'IDENTITY_EXPIRED' })
  expect(identity.asked).toBe(4)
})

test('a Conjur that is away is asked again, with growing waits', async () => {
  const stages = fakeStages(hastyClock(), { a: '1' })
  stages.faults.login.push(unavailable(), unavailable())
  const retries: number[] = []

  await once(
    stages,
    options((retry) => retries.push(retry.attempt)),
    signal,
  )

  expect(retries).toEqual([1, 2])
  expect(stages.shown.values).toEqual({ a: '1' })
})

test('a pass that reads values asks for no renewal', async () => {
  const stages = fakeStages(hastyClock(), { a: '1' })
  stages.faults.read.push(unavailable())

  await once(
    stages,
    options(() => undefined),
    signal,
  )

  expect(stages.events).toEqual(['login', 'token', 'read', 'token', 'read', 'set'])
})

test.each([
  ['no interval means no retry', { retryIntervalMs: 0 }, 1],
  ['a limit of none means none', { retryCountLimit: 0 }, 1],
  ['three more than the first', { retryCountLimit: 3 }, 4],
  ['a negative limit means no end', { retryCountLimit: -1 }, 9],
])('%s', async (_, more, logins) => {
  const stages = fakeStages(hastyClock(), { a: '1' })
  stages.faults.login.push(...Array.from({ length: 8 }, () => unavailable()))
  const passes: (Retry | undefined)[] = []
  const onPass = (_report: unknown, retry: Retry | undefined): void => void passes.push(retry)

  await once(stages, { ...options(() => undefined), ...more, onPass }, signal).catch(
    () => undefined,
  )

  expect(stages.events.filter((event) => event === 'login')).toHaveLength(logins)
  expect(passes).toHaveLength(logins)
  expect(passes.at(-1)).toBeUndefined()
})

test('P5 what an output or the requirements lack is thrown', async () => {
  const stages = fakeStages(hastyClock(), { a: '1' })
  const full = new OutputError('OUTPUT_FULL', 'full', { hint: 'h' })
  const unmet = new ConjurError('CONJUR_NOT_FOUND', 'gone', { hint: 'h' })
  stages.faults.set.push(full)
  const given = { ...options(() => undefined), unmet: () => unmet }

  await expect(once(stages, given, signal)).rejects.toBe(full)
  await expect(once(stages, given, signal)).rejects.toBe(unmet)
})

async function run(
  identity: ReturnType<typeof fakeIdentity>,
): Promise<{ error: unknown; retries: AgentError[] }> {
  const retries: AgentError[] = []
  const stages = { ...fakeStages(hastyClock(), { a: '1' }), identity }
  const error: unknown = await once(
    stages,
    options((retry) => retries.push(retry.error)),
    signal,
  ).catch((error: unknown) => error)
  return { error, retries }
}

function options(onRetry: (retry: Retry) => void): Parameters<typeof once>[1] {
  return {
    retryCountLimit: 3,
    retryIntervalMs: 1000,
    random: () => 0,
    unmet: () => undefined,
    onPass: (_report, retry) => {
      if (retry !== undefined) onRetry(retry)
    },
  }
}
