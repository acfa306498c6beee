import type { Logger } from 'pino'
import type { EmitEvent, EventSubject } from '../kubernetes/events.ts'
import { briefly } from '../kubernetes/cluster.ts'
import type { ListPods } from '../kubernetes/pods.ts'
import type { InjectorMetrics } from './metrics.ts'
import { missedPod, type MissedPod } from './missed.ts'
import { readPod, type AdmissionRequest } from './pod.ts'
import { refusalOf, type Answered } from './server.ts'
import type { InjectionSettings } from './settings.ts'

/** The same Event again within this time tells nobody anything new. */
const QUIET_MS = 5 * 60_000

/** More different Events than this are not remembered. */
const REMEMBERED = 1000

/**
 * Tells the owner of a refused pod why: a Deployment's author sees no `kubectl` error, only a
 * ReplicaSet that has too few pods. A dry run tells nobody, since it must have no effect.
 */
export function refusalWitness(emit: EmitEvent, log: Logger): (answered: Answered) => void {
  const told = new Map<string, number>()
  return ({ request, answer }) => {
    if (answer.outcome !== 'refused' || request === undefined || request.dryRun === true) return
    const subject = ownerOf(request)
    if (subject === undefined) return
    const message = refusalOf(answer)
    const key = `${subject.uid} ${message}`
    const now = Date.now()
    if (now - (told.get(key) ?? 0) < QUIET_MS) return
    if (told.size >= REMEMBERED) told.clear()
    told.set(key, now)
    emit({ subject, reason: 'ConjurInjectionRefused', message, now }).catch((error: unknown) => {
      log.warn(
        { code: 'EVENT_FAILED', reason: briefly(error), owner: subject.name },
        'no Event could be written',
      )
    })
  }
}

/** What controls the pod that is about to be made; undefined for a pod somebody makes by hand. */
function ownerOf(request: AdmissionRequest): EventSubject | undefined {
  const pod = readPod(request.object)
  if (typeof pod === 'string') return undefined
  const owners = pod.metadata?.ownerReferences ?? []
  const owner = owners.find(({ controller }) => controller === true) ?? owners[0]
  if (owner === undefined) return undefined
  const { apiVersion, kind, name, uid } = owner
  return { apiVersion, kind, name, uid, namespace: request.namespace ?? '' }
}

/** Every opted-in pod that runs without the agent. */
export async function findMissed(
  list: ListPods,
  settings: InjectionSettings,
  namespace?: string,
): Promise<readonly MissedPod[]> {
  const missed: MissedPod[] = []
  for await (const item of list(namespace)) {
    const pod = readPod(item)
    const found = typeof pod === 'string' ? undefined : missedPod(pod, settings)
    if (found !== undefined) missed.push(found)
  }
  return missed
}

export interface AuditOptions {
  readonly list: ListPods
  readonly emit: EmitEvent
  readonly settings: InjectionSettings
  readonly metrics: InjectorMetrics
  readonly log: Logger
}

/** One look at all pods: counts those that were missed, and tells each of them once. */
export function auditor({ list, emit, settings, metrics, log }: AuditOptions): () => Promise<void> {
  let told = new Set<string>()
  return async () => {
    const missed = await findMissed(list, settings)
    const counts = new Map<string, number>()
    for (const { namespace } of missed) counts.set(namespace, (counts.get(namespace) ?? 0) + 1)
    metrics.missed(counts)
    for (const { namespace, name, uid, why } of missed) {
      if (told.has(uid)) continue
      log.warn(
        { code: 'POD_MISSED', namespace, pod: name, reason: why },
        'an opted-in pod runs without the agent',
      )
      const subject = { apiVersion: 'v1', kind: 'Pod', namespace, name, uid }
      const message = `this pod opted in but runs without the agent: ${why}`
      await emit({ subject, reason: 'ConjurInjectionMissed', message, now: Date.now() })
    }
    told = new Set(missed.map(({ uid }) => uid))
  }
}
