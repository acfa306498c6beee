import { requestOptions, type Cluster } from './cluster.ts'

/** What an Event is about. */
export interface EventSubject {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly namespace: string
  readonly uid: string
}

/** Something that people see in `kubectl describe`. */
export interface EventNote {
  readonly subject: EventSubject
  /** One word in capitals and small letters, such as `InjectionRefused`. */
  readonly reason: string
  readonly message: string
  readonly now: number
}

/** Tells people about an object. */
export type EmitEvent = (note: EventNote) => Promise<void>

/** Warnings on any object, in the name of `reporter`. */
export function eventPort(cluster: Cluster, reporter: string): EmitEvent {
  const api = cluster.config.makeApiClient(cluster.library.CoreV1Api)
  return async ({ subject, reason, message, now }) => {
    const { namespace, name } = subject
    const at = new Date(now)
    await api.createNamespacedEvent(
      {
        namespace,
        body: {
          metadata: { namespace, generateName: `${name.slice(0, 200)}.` },
          involvedObject: { ...subject },
          type: 'Warning',
          reason,
          // The API server's own limit is 1024 bytes.
          message: message.length > 1000 ? `${message.slice(0, 999)}…` : message,
          count: 1,
          firstTimestamp: at,
          lastTimestamp: at,
          source: { component: reporter },
          reportingComponent: reporter,
          reportingInstance: reporter,
        },
      },
      requestOptions(cluster),
    )
  }
}
