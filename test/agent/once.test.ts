import { expect, test } from 'vitest'

import { once, type Retry } from '../../src/agent/once.ts'
import { IdentityError, type AgentError } from '../../src/core/errors.ts'
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
