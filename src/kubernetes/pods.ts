import { requestOptions, type Cluster } from './cluster.ts'

/** Every pod of the cluster or of one namespace, page by page, as the API server tells it. */
export type ListPods = (namespace?: string) => AsyncIterable<unknown>

/** Lists pods that have not ended. */
export function podLister(cluster: Cluster): ListPods {
  const api = cluster.config.makeApiClient(cluster.library.CoreV1Api)
  return async function* list(namespace) {
    let next: string | undefined
    do {
      const page = {
        limit: 500,
        fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
        ...(next === undefined ? {} : { _continue: next }),
      }
      const { items, metadata } =
        namespace === undefined
          ? await api.listPodForAllNamespaces(page, requestOptions(cluster))
          : await api.listNamespacedPod({ namespace, ...page }, requestOptions(cluster))
      yield* items
      next = metadata?._continue
    } while (next !== undefined && next !== '')
  }
}
