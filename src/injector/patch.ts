import type { V1Container, V1EnvVar, V1Volume, V1VolumeMount } from '@kubernetes/client-node'
import type { Pod, PodContainer } from './pod.ts'

/** One RFC 6902 operation; `add` is the only one this program needs. */
export interface Operation {
  readonly op: 'add'
  readonly path: string
  readonly value: unknown
}

/** What a pod gets that it has not. */
export interface Additions {
  readonly volumes: readonly V1Volume[]
  /** Put before every init container of the pod, in this order. */
  readonly initContainers: readonly V1Container[]
  /** Put behind the pod's containers. */
  readonly containers: readonly V1Container[]
  /** By the pod's own container objects. */
  readonly mounts: ReadonlyMap<PodContainer, readonly V1VolumeMount[]>
  readonly env: ReadonlyMap<PodContainer, readonly V1EnvVar[]>
  /** Commands that take the place of those there are. */
  readonly commands: ReadonlyMap<PodContainer, readonly string[]>
  readonly annotations: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
}

/** The operations that make `additions` part of `pod`: an absent list is made, a present one only grows. */
export function patchOf(pod: Pod, additions: Additions): readonly Operation[] {
  const { spec, metadata } = pod
  return [
    ...append('/spec/volumes', { present: spec.volumes, values: additions.volumes }),
    ...intoContainers(pod, additions),
    // The agents come last, since they move the init containers to which the mounts above go.
    ...prepend('/spec/initContainers', {
      present: spec.initContainers,
      values: additions.initContainers,
    }),
    ...append('/spec/containers', { present: spec.containers, values: additions.containers }),
    ...merge('/metadata/annotations', metadata?.annotations, additions.annotations),
    ...merge('/metadata/labels', metadata?.labels, additions.labels),
  ]
}

/** A member's name as part of a JSON Pointer (RFC 6901). */
function pointerPart(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function intoContainers(pod: Pod, { mounts, env, commands }: Additions): Operation[] {
  const operations: Operation[] = []
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [index, container] of (pod.spec[list] ?? []).entries()) {
      const path = `/spec/${list}/${index}`
      operations.push(
        ...append(`${path}/volumeMounts`, {
          present: container.volumeMounts,
          values: mounts.get(container) ?? [],
        }),
        ...append(`${path}/env`, { present: container.env, values: env.get(container) ?? [] }),
        ...replaced(`${path}/command`, commands.get(container)),
      )
    }
  }
  return operations
}

/** RFC 6902 lets `add` take the place of a member that is there. */
function replaced(path: string, value: readonly string[] | undefined): Operation[] {
  return value === undefined ? [] : [{ op: 'add', path, value }]
}

interface Growth {
  readonly present: readonly unknown[] | null | undefined
  readonly values: readonly unknown[]
}

function append(path: string, { present, values }: Growth): Operation[] {
  if (values.length === 0) return []
  if (present === undefined || present === null) return [{ op: 'add', path, value: values }]
  return values.map((value) => ({ op: 'add', path: `${path}/-`, value }))
}

function prepend(path: string, { present, values }: Growth): Operation[] {
  if (values.length === 0) return []
  if (present === undefined || present === null) return [{ op: 'add', path, value: values }]
  return values.map((value, index) => ({ op: 'add', path: `${path}/${index}`, value }))
}

function merge(
  path: string,
  present: Readonly<Record<string, string>> | null | undefined,
  added: Readonly<Record<string, string>>,
): Operation[] {
  const missing = Object.entries(added).filter(([name, value]) => present?.[name] !== value)
  if (missing.length === 0) return []
  if (present === undefined || present === null) {
    return [{ op: 'add', path, value: Object.fromEntries(missing) }]
  }
  return missing.map(([name, value]) => ({
    op: 'add',
    path: `${path}/${pointerPart(name)}`,
    value,
  }))
}
