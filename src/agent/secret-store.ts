import type { SecretStore } from '../outputs/kubernetes-secrets.ts'

/** The Secrets of a namespace; the Kubernetes client is loaded when one is first asked for. */
export function secretStore(namespace: string, now: () => number): SecretStore {
  let connected: Promise<SecretStore> | undefined
  const store = (): Promise<SecretStore> => (connected ??= connectTo(namespace, now))
  return {
    read: async (name, signal) => (await store()).read(name, signal),
    list: async (signal) => (await store()).list(signal),
    apply: async (target, own, signal) => (await store()).apply(target, own, signal),
    tell: async (target, condition, signal) => (await store()).tell(target, condition, signal),
  }
}

async function connectTo(namespace: string, now: () => number): Promise<SecretStore> {
  const { connect } = await import('../kubernetes/cluster.ts')
  const { eventPort } = await import('../kubernetes/events.ts')
  const { managedSecrets } = await import('../kubernetes/managed-secrets.ts')
  const cluster = await connect()
  return managedSecrets(cluster, { namespace, emit: eventPort(cluster, 'conjur-agent'), now })
}
