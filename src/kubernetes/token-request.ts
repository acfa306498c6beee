import { isRecord, parseRecord } from '../core/json.ts'
import { connect, requestOptions, type Cluster } from './cluster.ts'

/** A service-account token to be asked for; the shape that `identity` declares. */
export interface TokenRequest {
  readonly namespace: string
  readonly serviceAccount: string
  readonly audiences: readonly string[]
  readonly expirationSeconds: number
  readonly boundPod?: { readonly name: string; readonly uid: string } | undefined
}

/** A token, or why there is none; `no answer` where the API server could not be reached. */
export type TokenAnswer =
  | { readonly token: string }
  | {
      readonly status: number | 'no answer'
      readonly reason: string
      readonly retryAfterMs?: number | undefined
    }

/**
 * Asks the API server for a service-account token (TokenRequest), as the pod's own service account
 * or as the kubeconfig's user. The client is loaded at the first call; it reads the pod's own token
 * itself, at each.
 */
export function createTokenWith(
  reach: () => Promise<Cluster> = connect,
): (request: TokenRequest, signal: AbortSignal) => Promise<TokenAnswer> {
  return async (request, signal) => {
    signal.throwIfAborted()
    const cluster = await reach()
    const api = cluster.config.makeApiClient(cluster.library.CoreV1Api)
    try {
      const { status } = await api.createNamespacedServiceAccountToken(
        { namespace: request.namespace, name: request.serviceAccount, body: bodyOf(request) },
        requestOptions(cluster, signal),
      )
      return status?.token === undefined
        ? { status: 'no answer', reason: 'an answer without a token' }
        : { token: status.token }
    } catch (error) {
      if (signal.aborted) throw signal.reason
      return answerOf(error)
    }
  }
}

function bodyOf({ audiences, expirationSeconds, boundPod }: TokenRequest): {
  apiVersion: string
  kind: string
  spec: {
    audiences: string[]
    expirationSeconds: number
    boundObjectRef?: { apiVersion: string; kind: string; name: string; uid: string }
  }
} {
  const boundTo =
    boundPod === undefined ? {} : { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', ...boundPod } }
  return {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [...audiences], expirationSeconds, ...boundTo },
  }
}

function answerOf(error: unknown): TokenAnswer {
  if (!(error instanceof Error)) return { status: 'no answer', reason: 'unknown' }
  if (error.name === 'TimeoutError') return { status: 'no answer', reason: 'time-out' }
  if (!('code' in error) || typeof error.code !== 'number') {
    const cause = error.cause instanceof Error ? error.cause : error
    return { status: 'no answer', reason: 'code' in cause ? String(cause.code) : cause.message }
  }
  const headers = 'headers' in error && isRecord(error.headers) ? error.headers : {}
  const seconds = Number(headers['retry-after'])
  return {
    status: error.code,
    reason: 'body' in error ? messageIn(error.body) : '',
    retryAfterMs: seconds > 0 ? seconds * 1000 : undefined,
  }
}

/** The message of a Kubernetes Status, which the client hands over as text or parsed. */
function messageIn(body: unknown): string {
  const status = typeof body === 'string' ? parseRecord(body) : body
  if (isRecord(status)) return typeof status['message'] === 'string' ? status['message'] : ''
  return typeof body === 'string' ? body.slice(0, 200) : ''
}
