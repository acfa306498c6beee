import { setTimeout as delay } from 'node:timers/promises'
import { LABELLED } from './managed-secrets.ts'
import type { Cluster } from './cluster.ts'

export interface SecretWatch {
  readonly namespace: string
  /** Empty: all with the label. */
  readonly names: readonly string[]
  /** A Secret came, went, or asks for something else than before. Its values alone are no change. */
  readonly onChange: () => void
}

/** How long one connection is kept by the server, in seconds. */
const LIFE_SECONDS = 300
const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 30_000

/**
 * Watches Secrets until the signal is aborted. Resolves early where this service account may not
 * watch: then a change is found at the next refresh.
 */
export async function watchSecrets(
  cluster: Cluster,
  { namespace, names, onChange }: SecretWatch,
  signal: AbortSignal,
): Promise<void> {
  const known = new Map<string, string>()
  const selectors: readonly Readonly<Record<string, string>>[] =
    names.length === 0
      ? [{ labelSelector: LABELLED }]
      : names.map((name) => ({ fieldSelector: `metadata.name=${name}` }))
  await Promise.all(selectors.map((selector) => keepWatching(selector)))

  async function keepWatching(selector: Readonly<Record<string, string>>): Promise<void> {
    let waitMs = FIRST_WAIT_MS
    while (!signal.aborted) {
      const end = await connection(selector, (type, secret) => {
        waitMs = FIRST_WAIT_MS
        notice(type, secret)
      })
      if (end === 'forbidden') return
      await delay(waitMs, undefined, { signal }).catch(() => undefined)
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
    }
  }

  /** Compares what a Secret asks for with what was known of it. */
  function notice(type: string, secret: unknown): void {
    const name = textAt(secret, ['metadata', 'name'])
    if (name === undefined) return
    const asks = type === 'DELETED' ? undefined : fingerprint(secret)
    const before = known.get(name)
    if (asks === undefined) known.delete(name)
    else known.set(name, asks)
    if (asks !== before) onChange()
  }

  async function connection(
    selector: Readonly<Record<string, string>>,
    on: (type: string, secret: unknown) => void,
  ): Promise<'ended' | 'forbidden'> {
    const watch = new cluster.library.Watch(cluster.config)
    // The library takes half a minute of silence for a broken connection; Secrets are silent for days.
    Reflect.set(watch, 'requestTimeoutMs', (LIFE_SECONDS + 30) * 1000)
    return new Promise((resolve) => {
      const done = (error: unknown): void => {
        const status: unknown =
          error instanceof Error ? Reflect.get(error, 'statusCode') : undefined
        resolve(status === 403 || status === 401 ? 'forbidden' : 'ended')
      }
      void begin(watch, { on, done, query: { ...selector, timeoutSeconds: LIFE_SECONDS } })
    })
  }

  async function begin(
    watch: InstanceType<Cluster['library']['Watch']>,
    { on, done, query }: Begin,
  ): Promise<void> {
    try {
      const path = `/api/v1/namespaces/${namespace}/secrets`
      const controller = await watch.watch(path, query, on, done)
      signal.addEventListener('abort', () => controller.abort(), { once: true })
      if (signal.aborted) controller.abort()
    } catch (error) {
      done(error)
    }
  }
}

interface Begin {
  readonly on: (type: string, secret: unknown) => void
  readonly done: (error: unknown) => void
  readonly query: Record<string, string | number>
}

/** All that a Secret says of what it wants, its values left out. */
function fingerprint(secret: unknown): string {
  const annotations = recordAt(secret, ['metadata', 'annotations'])
  const groups = Object.entries(annotations).filter(
    ([name]) =>
      name.startsWith('conjur.org/conjur-secrets.') ||
      name.startsWith('conjur.org/secret-file-template.'),
  )
  return JSON.stringify([textAt(secret, ['data', 'conjur-map']), groups])
}

function textAt(value: unknown, path: readonly string[]): string | undefined {
  const found = at(value, path)
  return typeof found === 'string' ? found : undefined
}

function recordAt(value: unknown, path: readonly string[]): object {
  const found = at(value, path)
  return typeof found === 'object' && found !== null ? found : {}
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inside, key) =>
      typeof inside === 'object' && inside !== null ? Reflect.get(inside, key) : undefined,
    value,
  )
}
