import { mergePatch, requestOptions, unlessAbsent, type Cluster } from './cluster.ts'

/** The CA bundles of one MutatingWebhookConfiguration. */
export interface WebhookPort {
  /** By webhook name, as PEM; undefined if there is no such configuration. */
  bundles(): Promise<ReadonlyMap<string, string> | undefined>
  /** Sets the bundle of every webhook named. */
  setBundles(bundles: ReadonlyMap<string, string>): Promise<void>
}

/** The MutatingWebhookConfiguration `name`. */
export function webhookPort(cluster: Cluster, name: string): WebhookPort {
  const api = cluster.config.makeApiClient(cluster.library.AdmissionregistrationV1Api)
  return {
    async bundles() {
      const configuration = await unlessAbsent(
        api.readMutatingWebhookConfiguration({ name }, requestOptions(cluster)),
      )
      if (configuration === undefined) return undefined
      return new Map(
        (configuration.webhooks ?? []).map((webhook) => [
          webhook.name,
          Buffer.from(webhook.clientConfig.caBundle ?? '', 'base64').toString('utf8'),
        ]),
      )
    },
    async setBundles(bundles) {
      const webhooks = [...bundles].map(([webhook, pem]) => ({
        name: webhook,
        clientConfig: { caBundle: Buffer.from(pem).toString('base64') },
      }))
      await api.patchMutatingWebhookConfiguration({ name, body: { webhooks } }, mergePatch(cluster))
    },
  }
}
