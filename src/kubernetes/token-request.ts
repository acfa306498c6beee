import type { CoreV1Api } from '@kubernetes/client-node'

import { isRecord, parseRecord } from '../core/json.ts'

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

const DEADLINE_MS = 30_000

/**
 * Asks the API server for a service-account token (TokenRequest), as the pod's own service account
 * or as the kubeconfig's user. The client is loaded and configured at the first call, and the pod's
 * own token is read by it at each.
 */
export function createTokenWith(
  loadApi: () => Promise<CoreV1Api> = fromDefault,
): (request: TokenRequest, signal: AbortSignal) => Promise<TokenAnswer> {
  let api: Promise<CoreV1Api> | undefined
  return async (request, signal) => {
    api ??= loadApi()
    const client = await api
    try {
      const created = await untilAborted(
        client.createNamespacedServiceAccountToken({
          namespace: request.namespace,
          name: request.serviceAccount,
          body: bodyOf(request),
        }),
        AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
      )
      const token = created.status?.token
      return token === undefined
        ? { status: 'no answer', reason: 'an answer without a token' }
        : { token }
    } catch (error) {
      if (signal.aborted) throw signal.reason
      return answerOf(error)
    }
  }
}

async function fromDefault(): Promise<CoreV1Api> {
  const { CoreV1Api, KubeConfig } = await import('./client.ts')
  const config = new KubeConfig()
  config.loadFromDefault()
  return config.makeApiClient(CoreV1Api)
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

// The client takes no signal of ours: its request may outlive the wait, its answer is dropped.
async function untilAborted<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([pending, aborted])
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
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
