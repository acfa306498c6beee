import { readFile } from 'node:fs/promises'
import { parseRecord } from '../core/json.ts'
import { createSender } from '../net/send.ts'

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const DEADLINE_MS = 3000

export interface ClusterKeysOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where the pod has its token for the API and the CA; only a test has another place. */
  readonly directory?: string
}

/**
 * The keys that this cluster signs service-account tokens with, as the API server shows them to
 * this pod: JSON of a JWKS. Undefined outside a cluster and where the pod may not see them.
 */
export async function clusterKeys(
  { environment, directory = ACCOUNT }: ClusterKeysOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment
  if (host === undefined || host === '') return undefined
  const sender = createSender({
    ca: () => readFile(`${directory}/ca.crt`, 'utf8'),
    connectTimeoutMs: DEADLINE_MS,
  })
  try {
    const token = await readFile(`${directory}/token`, 'utf8')
    const reply = await sender.send({
      method: 'GET',
      url: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}/openid/v1/jwks`),
      headers: { Authorization: `Bearer ${token.trim()}` },
      deadlineMs: DEADLINE_MS,
      maxBodyBytes: 256 * 1024,
      signal,
    })
    const text = reply.body.toString('utf8')
    return reply.status === 200 && Array.isArray(parseRecord(text)?.['keys']) ? text : undefined
  } catch {
    // Not to be had here: the policy says how an operator gets them.
    signal.throwIfAborted()
    return undefined
  } finally {
    await sender.close()
  }
}
