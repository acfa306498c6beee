import { expect, test } from 'vitest'
import { byOneServer } from '../../src/agent/one-server.ts'
import type { Outcome } from '../../src/conjur/retrieve.ts'
import { Secret } from '../../src/core/secret.ts'

const token = { secret: new Secret('t'), lifetimeMs: 480_000, login: 'host/apps/web' }
const { signal } = new AbortController()
const value = new Secret('web')

/** Reading that another server takes over, or not, while it goes on. */
function reading(isTakenOver: boolean) {
  let switches = 3
  const said: ReadonlyMap<string, Outcome> = new Map([
    ['user', { kind: 'value', value }],
    ['password', { kind: 'missing' }],
    ['key', { kind: 'forbidden' }],
  ])
  const switching = <T>(answer: T): T => {
    if (isTakenOver) switches++
    return answer
  }
  return byOneServer(
    { retrieve: async () => switching(said), isConjur: async () => switching(true) },
    () => switches,
  )
}

test('P4 what one server says in a pass counts as it says it', async () => {
  const outcomes = await reading(false).retrieve(token, [], signal)

  expect([...outcomes.values()].map(({ kind }) => kind)).toEqual(['value', 'missing', 'forbidden'])
  expect(await reading(false).isConjur(token, signal)).toBe(true)
})

test('P4 a refusal in a pass in which another server took over proves nothing; its values count', async () => {
  const outcomes = await reading(true).retrieve(token, [], signal)

  expect(outcomes.get('user')).toEqual({ kind: 'value', value })
  expect(outcomes.get('password')).toMatchObject({
    kind: 'failed',
    error: {
      code: 'CONJUR_UNAVAILABLE',
      retryable: true,
      message: 'variable password is refused by a server that took over in the middle of the pass',
    },
  })
  expect(outcomes.get('key')?.kind).toBe('failed')
})

test('P4 a server that takes over does not vouch for what the one before it refused', async () => {
  expect(await reading(true).isConjur(token, signal)).toBe(false)
})
