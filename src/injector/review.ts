import { isKnown, nearestName, type KnownAnnotations } from './annotation-names.ts'
import { oneLine, PREFIX, shown } from './annotation-notes.ts'
import { optIn, readAnnotations } from './annotations.ts'
import { additionsFor, completeAzure, isInjected } from './containers.ts'
import { environmentFor } from './environment.ts'
import { fieldOf, isWindows, OPT_IN, optInOf, systemNamespaces } from './eligible.ts'
import { patchOf, type Operation } from './patch.ts'
import { readPod, textsOf, type AdmissionRequest, type Pod } from './pod.ts'
import type { InjectionSettings } from './settings.ts'
import { hasTemplates } from './volumes.ts'
import { hasAzureLabel } from './workload-identity.ts'

/** Why a request was answered as it was: a small closed set, fit for a metric's label. */
export type Reason =
  | 'not-a-pod'
  | 'namespace'
  | 'not-opted-in'
  | 'opted-out'
  | 'mirror-pod'
  | 'windows'
  | 'already-injected'
  | 'sidecar'
  | 'init'
  | 'both'
  | 'exec'
  | 'opt-in-value'
  | 'annotations'
  | 'conflict'

/** The answer to one request; `problems` is empty unless it is refused. */
export interface Verdict {
  readonly outcome: 'injected' | 'skipped' | 'refused'
  readonly reason: Reason
  readonly patch: readonly Operation[]
  readonly problems: readonly string[]
  /** Shown to whoever applied the pod. */
  readonly warnings: readonly string[]
}

/** A request whose object cannot be read at all. */
export interface Malformed {
  readonly outcome: 'malformed'
  readonly message: string
}

/** What a review needs to know beside the request. */
export interface ReviewContext {
  readonly settings: InjectionSettings
  readonly known: KnownAnnotations
  /** The agent's own reading of the settings it would be given: what it would refuse at its start. */
  readonly check: (given: AgentInput) => Promise<Findings>
}

/** What an injected agent would be given. */
export interface AgentInput {
  readonly mode: 'init' | 'sidecar'
  /** With `conjur.org/`. */
  readonly annotations: ReadonlyMap<string, string>
  readonly environment: Readonly<Record<string, string>>
  /** Whether a volume with templates is mounted. */
  readonly templates: boolean
}

export interface Findings {
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

/** Decides about one request: what the pod gets, or why it gets nothing. */
export async function review(
  request: AdmissionRequest,
  context: ReviewContext,
): Promise<Verdict | Malformed> {
  if (!createsPod(request)) return overlooked(request, context)
  const pod = readPod(request.object)
  if (typeof pod === 'string') return { outcome: 'malformed', message: pod }
  const namespace = request.namespace ?? pod.metadata?.namespace ?? ''
  return reviewPod(pod, { ...context, namespace })
}

/** A pod that is about to be created in `namespace`, whatever its own metadata says. */
export async function reviewPod(
  pod: Pod,
  context: ReviewContext & { readonly namespace: string },
): Promise<Verdict> {
  const { settings, namespace } = context
  const { asked, elsewhere } = optInOf(pod, settings)
  if (asked === undefined) {
    return skipped('not-opted-in', [...elsewhere, ...misspelt(pod, context)])
  }
  const opted = optIn(asked)
  if (opted === false) return skipped('opted-out')
  const barred = [...systemNamespaces, settings.ownNamespace].includes(namespace)
  if (barred) return skipped('namespace', [`nothing is injected in the namespace ${namespace}`])
  if (pod.metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined) {
    return skipped('mirror-pod', ['mirror pods of static pods are not injected'])
  }
  if (isWindows(pod)) return skipped('windows', ['Windows pods are not injected'])
  if (opted === undefined) return refused('opt-in-value', [optInProblem(asked, settings)])
  return inject(pod, context)
}

async function inject(
  pod: Pod,
  { settings, known, check, namespace }: ReviewContext & { readonly namespace: string },
): Promise<Verdict> {
  const own = new Map(
    Object.entries(pod.metadata?.annotations ?? {})
      .filter(([name]) => name.startsWith(PREFIX))
      .map(([name, value]) => [name.slice(PREFIX.length), value]),
  )
  const read = readAnnotations(own, {
    settings,
    known,
    namespace,
    serviceAccount: pod.spec.serviceAccountName ?? 'default',
    authenticator: authenticatorOf(pod, settings),
  })
  const { request, warnings } = read
  const injection = { pod, namespace, request, settings }
  if (isInjected(injection)) {
    const patch = patchOf(pod, completeAzure(injection))
    return { ...skipped('already-injected'), patch }
  }
  const given = new Map(
    [...read.defaults, ...own]
      .filter(([name]) => !read.unused.has(name))
      .map(([name, value]) => [PREFIX + name, value]),
  )
  const found = await check({
    mode: request.mode === 'init' ? 'init' : 'sidecar',
    annotations: given,
    environment: environmentFor(injection),
    templates: hasTemplates(pod),
  })
  const allWarnings = [...warnings, ...found.warnings]
  const problems = [...read.problems, ...found.problems]
  const { additions, problems: conflicts } = additionsFor(injection)
  if (problems.length > 0) {
    return refused('annotations', [...problems, ...conflicts], allWarnings)
  }
  if (conflicts.length > 0) return refused('conflict', conflicts, allWarnings)
  const defaults = [...read.defaults].map(([name, value]) => [PREFIX + name, value])
  const patch = patchOf(pod, {
    ...additions,
    annotations: { ...Object.fromEntries(defaults), ...additions.annotations },
  })
  return {
    outcome: 'injected',
    reason: request.mode,
    patch,
    problems: [],
    warnings: lines(allWarnings),
  }
}

/** The authenticator a pod will use, or undefined where only its namespace's ConfigMap knows. */
function authenticatorOf(pod: Pod, { conjur }: InjectionSettings): string | undefined {
  const forAzure = hasAzureLabel(pod) ? conjur.workloadIdentity?.authenticator : undefined
  return forAzure ?? conjur.authenticator
}

function createsPod({ kind, resource, subResource, operation }: AdmissionRequest): boolean {
  return (
    operation === 'CREATE' &&
    (subResource ?? '') === '' &&
    (kind.group ?? '') === '' &&
    kind.kind === 'Pod' &&
    (resource?.group ?? '') === '' &&
    (resource?.resource ?? 'pods') === 'pods'
  )
}

/** A request that is none of ours; said aloud only where the object opted in. */
function overlooked(request: AdmissionRequest, { settings }: ReviewContext): Verdict {
  const asked = textsOf(request.object, fieldOf(settings))[OPT_IN]
  if (asked === undefined || optIn(asked) === false) return skipped('not-a-pod')
  const sub = request.subResource ?? ''
  const what = `${request.operation} of ${request.kind.kind}${sub === '' ? '' : `/${sub}`}`
  return skipped('not-a-pod', [
    `${OPT_IN} has no effect here (${what}): only pods that are being created are injected`,
  ])
}

function optInProblem(asked: string, { match }: InjectionSettings): string {
  return `${OPT_IN}: the ${match} "${shown(asked)}" is neither true, yes, on, y nor false, no, off, n`
}

/** Keys under our prefix that nobody knows, on a pod that did not opt in: `conjur.org/injct` perhaps. */
function misspelt(pod: Pod, { known }: ReviewContext): readonly string[] {
  return Object.keys(pod.metadata?.annotations ?? {}).flatMap((key) => {
    if (!key.startsWith(PREFIX)) return []
    const name = key.slice(PREFIX.length)
    const guess = isKnown(name, known) ? undefined : nearestName(name, known)
    return guess === undefined ? [] : [`${key}: unknown annotation; nearest: ${PREFIX}${guess}`]
  })
}

function skipped(reason: Reason, warnings: readonly string[] = []): Verdict {
  return { outcome: 'skipped', reason, patch: [], problems: [], warnings: lines(warnings) }
}

function refused(
  reason: Reason,
  problems: readonly string[],
  warnings: readonly string[] = [],
): Verdict {
  return {
    outcome: 'refused',
    reason,
    patch: [],
    problems: lines(problems),
    warnings: lines(warnings),
  }
}

/** More than this nobody reads, and a status must stay small. */
const MOST_LINES = 50

function lines(texts: readonly string[]): readonly string[] {
  const all = texts.slice(0, MOST_LINES).map((text) => oneLine(text, 400))
  return texts.length > MOST_LINES ? [...all, `and ${texts.length - MOST_LINES} more`] : all
}
