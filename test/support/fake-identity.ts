import type { IdentityError } from '../../src/core/errors.ts'
import type { Credential, IdentitySource } from '../../src/identity/source.ts'

/** An identity source that the test commands: it yields, refuses or keeps silent as told. */
export interface FakeIdentity extends IdentitySource {
  /** What the following calls yield; an error is thrown, `silence` waits for the signal. */
  next: Credential | IdentityError | 'silence'
  /** How often it was asked. */
  readonly asked: number
}

export function fakeIdentity(first: FakeIdentity['next']): FakeIdentity {
  const fake = {
    name: 'fake',
    watched: [] as readonly string[],
    next: first,
    asked: 0,
    token(signal: AbortSignal): Promise<Credential> {
      fake.asked += 1
      const { next } = fake
      if (signal.aborted) return Promise.reject(signal.reason)
      if (next instanceof Error) return Promise.reject(next)
      if (next !== 'silence') return Promise.resolve(next)
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    },
  }
  return fake
}
