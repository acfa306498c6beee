import { PREFIX } from './annotation-notes.ts'
import { isWindows, systemNamespaces, wantsInjection } from './eligible.ts'
import { isAgent } from './volumes.ts'
import { containersOf, type Pod } from './pod.ts'
import type { InjectionSettings } from './settings.ts'

/** An opted-in pod that runs without the agent. */
export interface MissedPod {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** Why it may have happened: one clause. */
  readonly why: string
}

/** Whether a running pod opted in and has no agent; undefined: nothing is missing. */
export function missedPod(pod: Pod, settings: InjectionSettings): MissedPod | undefined {
  if (wantsInjection(pod, settings) !== true || isWindows(pod)) return undefined
  const { namespace, name, annotations } = pod.metadata ?? {}
  if (annotations?.['kubernetes.io/config.mirror'] !== undefined) return undefined
  if (containersOf(pod).some(isAgent)) return undefined
  const excluded = [...systemNamespaces, settings.ownNamespace].includes(namespace ?? '')
  return {
    namespace: namespace ?? '',
    name: name ?? '',
    uid: pod.metadata?.uid ?? '',
    why: excluded
      ? `nothing is injected in ${namespace ?? ''}`
      : annotations?.[`${PREFIX}status`] === 'injected'
        ? `its template says ${PREFIX}status: injected, but the agent is not there`
        : 'it was created while the webhook was not called; delete it to have it made again',
  }
}
