import type { V1Secret } from '@kubernetes/client-node'
import { Secret } from '../core/secret.ts'
import { applyPatch, briefly, requestOptions, unlessAbsent, type Cluster } from './cluster.ts'
import type { EmitEvent } from './events.ts'

/** A Secret as `outputs` declares it. */
export interface ManagedSecret {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly type: string
  readonly isImmutable: boolean
  readonly data: ReadonlyMap<string, Secret>
  readonly annotations: ReadonlyMap<string, string>
  readonly ownKeys: ReadonlySet<string>
}

export interface Refusal {
  readonly status: number | 'no answer'
  readonly reason: string
}

/** The Secrets of a namespace that are filled from Conjur; the shape that `outputs` declares. */
export interface ManagedSecrets {
  read(name: string, signal: AbortSignal): Promise<ManagedSecret | undefined | Refusal>
  list(signal: AbortSignal): Promise<readonly ManagedSecret[] | Refusal>
  apply(
    target: ManagedSecret,
    own: ReadonlyMap<string, Secret>,
    signal: AbortSignal,
  ): Promise<Refusal | undefined>
  tell(
    target: ManagedSecret,
    condition: { readonly text: string; readonly isWarning: boolean },
    signal: AbortSignal,
  ): Promise<void>
}

export interface ManagedSecretsOptions {
  readonly namespace: string
  readonly emit: EmitEvent
  readonly now: () => number
}

/** The name under which the API server remembers which keys are ours. */
const FIELD_MANAGER = 'conjur-agent'
/** The condition has a manager of its own: applying it must not give up the keys. */
const CONDITION_MANAGER = 'conjur-agent-condition'

/** The Secrets that ask to be filled: what the incumbent takes for true in the label. */
export const LABELLED = 'conjur.org/managed-by-provider in (true, True, TRUE, t, T, 1)'

/** Secrets over the API server. Only keys of our own are ever written, by server-side apply. */
export function managedSecrets(
  cluster: Cluster,
  { namespace, emit, now }: ManagedSecretsOptions,
): ManagedSecrets {
  const api = cluster.config.makeApiClient(cluster.library.CoreV1Api)
  return {
    read: (name) =>
      orRefusal(async () => {
        const options = requestOptions(cluster)
        const secret = await unlessAbsent(api.readNamespacedSecret({ name, namespace }, options))
        return secret && managed(secret)
      }),
    list: () =>
      orRefusal(async () => {
        const options = requestOptions(cluster)
        const list = await api.listNamespacedSecret({ namespace, labelSelector: LABELLED }, options)
        return list.items.map(managed)
      }),
    apply: (target, own) =>
      orRefusal(async () => {
        const data = [...own].map(([key, value]) => [key, value.bytes().toString('base64')])
        await apply(target, { data: Object.fromEntries(data) }, FIELD_MANAGER)
        return undefined
      }),
    async tell(target, { text, isWarning }) {
      // To be heard is a courtesy: where it is not allowed, the values still go on.
      await orRefusal(() => {
        const metadata = { annotations: { 'conjur.org/condition': text } }
        return apply(target, { metadata }, CONDITION_MANAGER)
      })
      if (!isWarning) return
      const { name, uid } = target
      const subject = { apiVersion: 'v1', kind: 'Secret', name, namespace, uid }
      await orRefusal(() => emit({ subject, reason: 'SecretNotFilled', message: text, now: now() }))
    },
  }

  async function apply(
    { name, uid }: ManagedSecret,
    fields: { readonly data?: Record<string, string>; readonly metadata?: object },
    fieldManager: string,
  ): Promise<void> {
    await api.patchNamespacedSecret(
      {
        name,
        namespace,
        fieldManager,
        force: true,
        // The uid keeps the apply from making a Secret that was deleted a moment ago.
        body: {
          apiVersion: 'v1',
          kind: 'Secret',
          ...fields,
          metadata: { ...fields.metadata, name, uid },
        },
      },
      applyPatch(cluster),
    )
  }
}

function managed({ metadata, data, type, immutable }: V1Secret): ManagedSecret {
  const decoded = Object.entries(data ?? {}).map(
    ([key, value]) => [key, new Secret(Buffer.from(value, 'base64'))] as const,
  )
  const fields = (metadata?.managedFields ?? []).filter(
    ({ manager, operation }) => manager === FIELD_MANAGER && operation === 'Apply',
  )
  return {
    name: metadata?.name ?? '',
    namespace: metadata?.namespace ?? '',
    uid: metadata?.uid ?? '',
    type: type ?? 'Opaque',
    isImmutable: immutable ?? false,
    data: new Map(decoded),
    annotations: new Map(Object.entries(metadata?.annotations ?? {})),
    ownKeys: new Set(fields.flatMap(({ fieldsV1 }) => dataKeys(fieldsV1))),
  }
}

/** The keys in `{"f:data": {"f:password": {}}}`, which is how the API server writes ownership down. */
function dataKeys(fields: unknown): string[] {
  const data: unknown =
    typeof fields === 'object' && fields !== null ? Reflect.get(fields, 'f:data') : undefined
  return Object.keys(typeof data === 'object' && data !== null ? data : {})
    .filter((key) => key.startsWith('f:'))
    .map((key) => key.slice(2))
}

async function orRefusal<T>(act: () => Promise<T>): Promise<T | Refusal> {
  try {
    return await act()
  } catch (error) {
    const hasCode = error instanceof Error && 'code' in error && typeof error.code === 'number'
    return {
      status: hasCode && typeof error.code === 'number' ? error.code : 'no answer',
      reason: briefly(error),
    }
  }
}
