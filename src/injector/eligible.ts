import { PREFIX } from './annotation-notes.ts'
import { optIn } from './annotations.ts'
import type { Pod } from './pod.ts'
import type { InjectionSettings } from './settings.ts'

/** Namespaces the cluster itself lives in. */
export const systemNamespaces: readonly string[] = ['kube-system', 'kube-public', 'kube-node-lease']

/** Whether a pod opts in as this cluster does it; undefined: not at all. */
export function wantsInjection(pod: Pod, settings: InjectionSettings): boolean | undefined {
  const { asked } = optInOf(pod, settings)
  return asked === undefined ? undefined : optIn(asked)
}

/** The annotation or label by which pods opt in. */
export const OPT_IN = `${PREFIX}inject`

/** Where it counts. */
export function fieldOf({ match }: InjectionSettings): 'annotations' | 'labels' {
  return match === 'label' ? 'labels' : 'annotations'
}

/** What a pod says about injection, and what it says in vain. */
export function optInOf(
  pod: Pod,
  settings: InjectionSettings,
): { asked: string | undefined; elsewhere: readonly string[] } {
  const field = fieldOf(settings)
  const other = field === 'labels' ? 'annotations' : 'labels'
  const asked = pod.metadata?.[field]?.[OPT_IN]
  const misplaced = pod.metadata?.[other]?.[OPT_IN]
  return {
    asked,
    elsewhere:
      misplaced === undefined || optIn(misplaced) === false
        ? []
        : [`${OPT_IN} among the ${other} has no effect; write it among the ${field}`],
  }
}

/** Whether a pod can only run on Windows. */
export function isWindows(pod: Pod): boolean {
  const { os, nodeSelector, affinity } = pod.spec
  if (os?.name.toLowerCase() === 'windows') return true
  const labels = ['kubernetes.io/os', 'beta.kubernetes.io/os']
  if (labels.some((label) => nodeSelector?.[label] === 'windows')) return true
  const terms =
    affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  const onlyWindows = terms.map(({ matchExpressions }) =>
    (matchExpressions ?? []).some(
      ({ key, operator, values }) =>
        labels.includes(key) &&
        operator === 'In' &&
        values?.length === 1 &&
        values[0] === 'windows',
    ),
  )
  return onlyWindows.length > 0 && onlyWindows.every(Boolean)
}
