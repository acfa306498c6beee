import type { HeldLease, LeasePort } from '../../src/kubernetes/lease.ts'
import type { SecretPort, StoredSecret } from '../../src/kubernetes/secrets.ts'
import type { WebhookPort } from '../../src/kubernetes/webhook.ts'

/** A Secret, a Lease and a webhook configuration in memory, with the API server's optimistic locking. */
export interface FakeCluster {
  readonly secret: SecretPort
  readonly lease: LeasePort
  readonly webhook: WebhookPort
  /** Shared by everybody, to be read and changed by a test. */
  readonly state: {
    secret: StoredSecret | undefined
    lease: HeldLease | undefined
    bundles: Map<string, string> | undefined
  }
}

export function fakeCluster(): FakeCluster {
  let version = 0
  const state: FakeCluster['state'] = {
    secret: undefined,
    lease: undefined,
    bundles: new Map([['inject.conjur.org', '']]),
  }
  return {
    state,
    secret: {
      read: async () => state.secret,
      async write(data, over) {
        if (state.secret?.version !== over?.version) return false
        state.secret = { data, version: String(++version) }
        return true
      },
    },
    lease: {
      read: async () => state.lease,
      async write(holder, { now, seconds, over }) {
        if (state.lease?.version !== over?.version) return false
        state.lease = {
          holder,
          endsAt: now + seconds * 1000,
          version: String(++version),
          transitions: 0,
        }
        return true
      },
    },
    webhook: {
      bundles: async () => state.bundles,
      async setBundles(bundles) {
        for (const [name, bundle] of bundles) state.bundles?.set(name, bundle)
      },
    },
  }
}
