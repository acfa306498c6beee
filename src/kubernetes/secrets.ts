import {
  mergePatch,
  requestOptions,
  unlessAbsent,
  unlessConflict,
  type Cluster,
} from './cluster.ts'

/** One Kubernetes Secret, its data decoded. */
export interface StoredSecret {
  readonly data: Readonly<Record<string, string>>
  /** What a later write must still find, so that nobody's change is lost. */
  readonly version: string
}

/** One named Secret of one namespace. */
export interface SecretPort {
  read(): Promise<StoredSecret | undefined>
  /** Creates it, or replaces the version that was read. False: somebody else was faster. */
  write(data: Readonly<Record<string, string>>, over: StoredSecret | undefined): Promise<boolean>
}

/** The Secret `name` in `namespace`, of type Opaque. */
export function secretPort(
  cluster: Cluster,
  { name, namespace }: { readonly name: string; readonly namespace: string },
): SecretPort {
  const api = cluster.config.makeApiClient(cluster.library.CoreV1Api)
  return {
    async read() {
      const secret = await unlessAbsent(
        api.readNamespacedSecret({ name, namespace }, requestOptions(cluster)),
      )
      if (secret === undefined) return undefined
      const data = Object.entries(secret.data ?? {}).map(([key, value]) => [
        key,
        Buffer.from(value, 'base64').toString('utf8'),
      ])
      return {
        data: Object.fromEntries(data),
        version: secret.metadata?.resourceVersion ?? '',
      }
    },
    async write(data, over) {
      if (over === undefined) {
        const body = { metadata: { name, namespace }, type: 'Opaque', stringData: { ...data } }
        return unlessConflict(
          api.createNamespacedSecret({ namespace, body }, requestOptions(cluster)),
        )
      }
      // A patch leaves labels and owners as the chart made them; the version keeps others' writes.
      const body = { metadata: { resourceVersion: over.version }, stringData: { ...data } }
      return unlessConflict(
        api.patchNamespacedSecret({ name, namespace, body }, mergePatch(cluster)),
      )
    },
  }
}
