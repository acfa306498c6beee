import { OutputError, type AgentError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { isLetThrough, type MapAll } from './map-all.ts'
import type { Output, Published, Snapshot } from './output.ts'
import type { Entry } from './secret-group.ts'
import { MAP_KEY } from './secret-key.ts'
import { readSecretMap, type SecretMap } from './secret-map.ts'
import { planSecret, type SecretPlan, type StoredTarget } from './secret-plan.ts'
import { storeFailure, type StoreRefusal } from './store-failure.ts'

/** The Secrets of one namespace, as far as this output needs them. */
export interface SecretStore {
  /** The Secret, undefined where there is none, or why it cannot be read. */
  read(name: string, signal: AbortSignal): Promise<StoredTarget | undefined | StoreRefusal>
  /** All with the label `conjur.org/managed-by-provider`. */
  list(signal: AbortSignal): Promise<readonly StoredTarget[] | StoreRefusal>
  /** Makes `own` the keys of ours, all at once; keys of others stay, and no Secret is made. */
  apply(
    target: StoredTarget,
    own: ReadonlyMap<string, Secret>,
    signal: AbortSignal,
  ): Promise<StoreRefusal | undefined>
  /** Tells people by the Secret's condition annotation and, where `isWarning`, an Event. */
  tell(
    target: StoredTarget,
    condition: { readonly text: string; readonly isWarning: boolean },
    signal: AbortSignal,
  ): Promise<void>
}

export interface KubernetesSecretsOptions {
  readonly store: SecretStore
  /** Empty: all with the label. */
  readonly names: readonly string[]
  /** Reads YAML; rejects or yields nothing useful where it is none. */
  readonly parseYaml: (text: string) => Promise<unknown>
  /** Reads the list of a secret group, as in a pod's annotation. */
  readonly parseList: (
    text: string,
  ) => Promise<{ readonly entries: readonly Entry[]; readonly problems: readonly string[] }>
}

/** What the Secrets ask for in their maps. */
export interface Wanted {
  readonly variableIds: readonly string[]
  /** Of all that there are, those that a `"*"` lets through; undefined where no map has one. */
  readonly ofAll: ((listed: readonly string[]) => readonly string[]) | undefined
}

export interface KubernetesSecrets extends Output {
  /** To be asked before values are read: the maps may have changed. Rejects as `publish` does. */
  wanted(signal: AbortSignal): Promise<Wanted>
}

/** The annotation in which a Secret says how its last pass went. */
export const CONDITION = 'conjur.org/condition'

/**
 * Kubernetes Secrets that say themselves, by their `conjur-map` and group annotations, which
 * variables fill them.
 *
 * What goes wrong with one Secret stands in its report, its condition and an Event, and the
 * others go on. Each pass reads what is there, so that drift is repaired and no memory is needed.
 */
export function kubernetesSecrets(options: KubernetesSecretsOptions): KubernetesSecrets {
  return {
    name: 'Kubernetes Secrets',
    async wanted(signal) {
      const ids = new Set<string>()
      const alls: MapAll[] = []
      for (const found of await targets(options, signal)) {
        if ('error' in found) continue
        const { map } = await readMap(found, options)
        const listed = map.templates.flatMap(({ entries }) => entries)
        for (const { variableId } of [...map.entries, ...listed]) ids.add(variableId)
        if (map.all !== undefined) alls.push(map.all)
      }
      return {
        variableIds: [...ids],
        ofAll:
          alls.length === 0
            ? undefined
            : (listed) => listed.filter((id) => alls.some((all) => isLetThrough(all, id))),
      }
    },
    async publish(snapshot, signal) {
      const published: Published[] = []
      for (const found of await targets(options, signal)) {
        signal.throwIfAborted()
        published.push(
          'error' in found
            ? { ...shown(found.name), state: 'missing', error: found.error }
            : await publishOne(found, { options, snapshot, signal }),
        )
      }
      return published
    },
  }
}

type Found = StoredTarget | { readonly name: string; readonly error: AgentError }

async function targets(
  { store, names }: KubernetesSecretsOptions,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  if (names.length === 0) {
    const listed = await store.list(signal)
    if ('status' in listed) throw storeFailure('Secrets with the label', 'list', listed)
    return listed
  }
  const found: Found[] = []
  for (const name of names) {
    const target = await store.read(name, signal)
    if (target !== undefined && !('status' in target)) found.push(target)
    else {
      const refusal = target ?? { status: 404, reason: 'not found' }
      if (refusal.status === 'no answer') throw storeFailure(`Secret ${name}`, 'get', refusal)
      found.push({ name, error: storeFailure(`Secret ${name}`, 'get', refusal) })
    }
  }
  return found
}

interface Pass {
  readonly options: KubernetesSecretsOptions
  readonly snapshot: Snapshot
  readonly signal: AbortSignal
}

async function publishOne(target: StoredTarget, pass: Pass): Promise<Published> {
  const { options, snapshot, signal } = pass
  const { map, problems } = await readMap(target, options)
  const asksNothing = map.entries.length + map.templates.length === 0 && map.all === undefined
  if (problems.length === 0 && asksNothing && options.names.length === 0) {
    const notes = [`has neither ${MAP_KEY} nor groups: left alone`]
    return { ...shown(target.name), state: 'same', notes }
  }
  const empty = asksNothing ? [`has neither ${MAP_KEY} nor groups`] : []
  const [problem] = [...problems, ...empty]
  if (problem !== undefined) {
    const error = unfit(target, problem)
    await tell(target, error, pass)
    return { ...shown(target.name), state: 'kept', error }
  }
  const plan = planSecret(target, map, snapshot)
  const [lacking] = plan.lacking
  if (lacking !== undefined) {
    const error = incomplete(target, lacking)
    await tell(target, `waiting: ${error.message}`, pass)
    return { ...shown(target.name), state: 'missing', error }
  }
  const isSame = stands(target, plan)
  const error = isSame ? undefined : await write(target, plan, { options, signal })
  const whole = error ?? plan.error
  await tell(target, whole ?? (plan.isKept ? 'kept: a value is uncertain' : 'fresh'), pass)
  return {
    ...shown(target.name),
    values: plan.own.size,
    state: error !== undefined || (isSame && plan.isKept) ? 'kept' : isSame ? 'same' : 'written',
    ...(whole === undefined ? {} : { error: whole }),
    ...(plan.notes.length === 0 ? {} : { notes: plan.notes }),
  }
}

function shown(name: string): Pick<Published, 'name' | 'kind' | 'values'> {
  return { name: `secret/${name}`, kind: 'secret', values: 0 }
}

/** Whether the Secret already holds what it should, and we own just that. */
function stands({ data, ownKeys }: StoredTarget, { own }: SecretPlan): boolean {
  return (
    own.size === ownKeys.size &&
    [...own].every(([key, value]) => ownKeys.has(key) && data.get(key)?.equals(value) === true)
  )
}

/** The API server's own limit on all values of a Secret together. */
const LARGEST = 1024 * 1024

async function write(
  target: StoredTarget,
  plan: SecretPlan,
  { options, signal }: Pick<Pass, 'options' | 'signal'>,
): Promise<AgentError | undefined> {
  const { name, data, ownKeys, isImmutable, type } = target
  const foreign = [...data].filter(([key]) => !plan.own.has(key) && !ownKeys.has(key))
  const bytes = [...foreign, ...plan.own].reduce((sum, [, value]) => sum + value.length, 0)
  if (isImmutable) {
    return new OutputError('OUTPUT_BLOCKED', `Secret ${name} is immutable`, {
      hint: `kubectl create secret under another name, or delete and create it without immutable: true`,
      facts: { secret: name },
    })
  }
  if (type === 'kubernetes.io/service-account-token') {
    return unfit(target, `has the type ${type}, which belongs to Kubernetes itself`)
  }
  if (bytes > LARGEST) {
    return new OutputError(
      'OUTPUT_FULL',
      `Secret ${name} would hold ${bytes} bytes, at most ${LARGEST} fit`,
      {
        hint: 'spread its map over several Secrets, or filter "*" with include and exclude',
        facts: { secret: name, bytes },
      },
    )
  }
  const refusal = await options.store.apply(target, plan.own, signal)
  return refusal && storeFailure(`Secret ${name}`, 'patch', refusal)
}

async function tell(target: StoredTarget, what: string | AgentError, pass: Pass): Promise<void> {
  const text = typeof what === 'string' ? what : `${what.code}: ${what.message}`
  if (target.annotations.get(CONDITION) === text) return
  const isWarning = typeof what !== 'string'
  await pass.options.store.tell(target, { text, isWarning }, pass.signal)
}

const GROUP = 'conjur.org/conjur-secrets.'
const GROUP_TEMPLATE = 'conjur.org/secret-file-template.'

async function readMap(
  { data, annotations }: StoredTarget,
  { parseYaml, parseList }: KubernetesSecretsOptions,
): Promise<{ readonly map: SecretMap; readonly problems: readonly string[] }> {
  const text = data.get(MAP_KEY)?.text()
  const { problems: broken, ...read } =
    text === undefined
      ? { entries: [], problems: [] }
      : readSecretMap(await parseYaml(text).catch(() => undefined))
  const problems = [...broken]
  const templates: SecretMap['templates'][number][] = []
  for (const [name, list] of annotations) {
    if (!name.startsWith(GROUP)) continue
    const key = name.slice(GROUP.length)
    const template = annotations.get(GROUP_TEMPLATE + key)
    // As with the incumbent, a list without a template fills no key.
    if (template === undefined) continue
    const group = await parseList(list)
    problems.push(...group.problems.map((problem) => `${name} ${problem}`))
    templates.push({ key, entries: group.entries, template })
  }
  return { map: { ...read, templates }, problems }
}

function incomplete({ name }: StoredTarget, variableId: string): OutputError {
  return new OutputError(
    'OUTPUT_UNFIT',
    `Secret ${name} lacks ${variableId}: Conjur gives no value`,
    {
      hint: 'conjur-agent doctor --until variables says why',
      retryable: true,
      facts: { secret: name, variable: variableId },
    },
  )
}

function unfit({ name }: StoredTarget, why: string): OutputError {
  return new OutputError('OUTPUT_UNFIT', `Secret ${name}: ${why}`, {
    hint: `kubectl edit secret ${name}; docs/file-formats.md shows what a map may hold`,
    facts: { secret: name },
  })
}
