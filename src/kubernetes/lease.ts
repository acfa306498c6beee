import {
  mergePatch,
  requestOptions,
  unlessAbsent,
  unlessConflict,
  type Cluster,
} from './cluster.ts'

/** The Lease by which one replica of a standalone agent at a time works. */
export const STANDALONE_LEASE = 'conjur-agent-standalone'

/** A Lease as it stands: who holds it, until when. */
export interface HeldLease {
  readonly holder: string
  /** When it ends unless it is renewed, in epoch milliseconds. */
  readonly endsAt: number
  readonly version: string
  readonly transitions: number
}

/** One named Lease. */
export interface LeasePort {
  read(): Promise<HeldLease | undefined>
  /** Takes or renews it. False: somebody else was faster. */
  write(
    holder: string,
    options: {
      readonly now: number
      readonly seconds: number
      readonly over: HeldLease | undefined
    },
  ): Promise<boolean>
}

/** The Lease `name` in `namespace`. */
export function leasePort(
  cluster: Cluster,
  { name, namespace }: { readonly name: string; readonly namespace: string },
): LeasePort {
  const api = cluster.config.makeApiClient(cluster.library.CoordinationV1Api)
  return {
    async read() {
      const lease = await unlessAbsent(
        api.readNamespacedLease({ name, namespace }, requestOptions(cluster)),
      )
      if (lease === undefined) return undefined
      const { spec, metadata } = lease
      return {
        holder: spec?.holderIdentity ?? '',
        endsAt: momentOf(spec?.renewTime) + (spec?.leaseDurationSeconds ?? 0) * 1000,
        version: metadata?.resourceVersion ?? '',
        transitions: spec?.leaseTransitions ?? 0,
      }
    },
    async write(holder, { now, seconds, over }) {
      const { V1MicroTime } = cluster.library
      const taken = over === undefined || over.holder !== holder
      const spec = {
        holderIdentity: holder,
        leaseDurationSeconds: seconds,
        renewTime: new V1MicroTime(now),
        leaseTransitions: (over?.transitions ?? 0) + (taken ? 1 : 0),
      }
      if (over === undefined) {
        const body = { metadata: { name, namespace }, spec }
        return unlessConflict(
          api.createNamespacedLease({ namespace, body }, requestOptions(cluster)),
        )
      }
      const body = { metadata: { resourceVersion: over.version }, spec }
      return unlessConflict(
        api.patchNamespacedLease({ name, namespace, body }, mergePatch(cluster)),
      )
    },
  }
}

/** The library declares a date with microseconds, and hands over what the API server wrote. */
function momentOf(time: unknown): number {
  const at = time instanceof Date ? time.getTime() : Date.parse(String(time))
  return Number.isNaN(at) ? 0 : at
}
