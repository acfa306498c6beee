import type { V1Volume, V1VolumeMount } from '@kubernetes/client-node'
import { PREFIX } from './annotation-notes.ts'
import type { InjectionRequest } from './annotations.ts'
import type { Injection } from './injection.ts'
import { containersOf, type Pod, type PodContainer } from './pod.ts'

/** Volumes that exist once in an injected pod; their names are stable, so a pod may mount them elsewhere too. */
export const volumes = {
  podinfo: { name: 'conjur-podinfo', path: '/conjur/podinfo' },
  status: { name: 'conjur-status', path: '/conjur/status' },
  secrets: { name: 'conjur-secrets', path: '/conjur/secrets' },
  accessToken: { name: 'conjur-access-token', path: '/run/conjur' },
  templates: { name: 'conjur-templates', path: '/conjur/templates' },
  platformToken: { name: 'conjur-platform-token', path: '/var/run/secrets/conjur.org' },
} as const

/** The volumes of an injection; those for files only where an agent writes files. */
export function addedVolumes({ request, settings }: Injection): readonly V1Volume[] {
  const { audience, expirationSeconds } = settings.token
  const inMemory = (name: string, sizeLimit: string): V1Volume => ({
    name,
    emptyDir: { medium: 'Memory', sizeLimit },
  })
  const token: V1Volume = {
    name: volumes.platformToken.name,
    projected: {
      sources: [{ serviceAccountToken: { audience, expirationSeconds, path: 'token' } }],
    },
  }
  const podinfo: V1Volume = {
    name: volumes.podinfo.name,
    downwardAPI: {
      items: [{ path: 'annotations', fieldRef: { fieldPath: 'metadata.annotations' } }],
    },
  }
  if (request.mode === 'exec') return [podinfo, token]
  return [
    podinfo,
    inMemory(volumes.status.name, '1Mi'),
    ...(request.type === 'authenticator'
      ? []
      : [inMemory(volumes.secrets.name, request.secretsSizeLimit)]),
    inMemory(volumes.accessToken.name, '1Mi'),
    token,
  ]
}

/** Whether the pod brings templates for secret files: the one volume that is its own. */
export function hasTemplates(pod: Pod): boolean {
  return (pod.spec.volumes ?? []).some(({ name }) => name === volumes.templates.name)
}

/** Whether a container is an injected agent: nobody else gets the platform token. */
export function isAgent({ volumeMounts }: PodContainer): boolean {
  return (volumeMounts ?? []).some(({ name }) => name === volumes.platformToken.name)
}

/** What an agent's own container mounts. */
export function agentMounts(pod: Pod, request: InjectionRequest): readonly V1VolumeMount[] {
  return [
    readOnly(volumes.podinfo),
    writable(volumes.status),
    ...(request.type === 'authenticator' ? [] : [writable(volumes.secrets)]),
    writable(volumes.accessToken),
    readOnly(volumes.platformToken),
    ...(hasTemplates(pod) ? [readOnly(volumes.templates)] : []),
  ]
}

interface Volume {
  readonly name: string
  readonly path: string
}

function writable({ name, path }: Volume): V1VolumeMount {
  return { name, mountPath: path }
}

function readOnly({ name, path }: Volume): V1VolumeMount {
  return { name, mountPath: path, readOnly: true }
}

/** What a container mounts whose program the agent itself runs: the values never become files. */
export function execMounts(): readonly V1VolumeMount[] {
  return [readOnly(volumes.podinfo), readOnly(volumes.platformToken)]
}

/** What the application's containers mount, and where that cannot be. */
export function applicationMounts({ pod, request }: Injection): {
  mounts: ReadonlyMap<PodContainer, readonly V1VolumeMount[]>
  problems: readonly string[]
} {
  const wanted = mountsFor(request)
  const all = containersOf(pod)
  const names = new Set(all.map(({ name }) => name))
  const receivers = request.receivers === undefined ? names : new Set(request.receivers)
  const problems = [...receivers]
    .filter((name) => !names.has(name))
    .map(
      (name) =>
        `${PREFIX}conjur-inject-volumes names ${name}; the pod's containers are ${[...names].slice(0, 20).join(', ')}`,
    )
  const mounts = new Map<PodContainer, readonly V1VolumeMount[]>()
  for (const container of all) {
    if (!receivers.has(container.name)) continue
    const present = container.volumeMounts ?? []
    const added: V1VolumeMount[] = []
    for (const mount of wanted) {
      const verdict = meets(mount, present)
      if (verdict === 'free') added.push(mount)
      else if (verdict !== 'there') problems.push(`container ${container.name} ${verdict}`)
    }
    mounts.set(container, added)
  }
  return { mounts, problems }
}

/** Whether a mount can be added beside those that are there already, or why not. */
function meets(
  wanted: V1VolumeMount,
  present: NonNullable<PodContainer['volumeMounts']>,
): 'free' | 'there' | (string & {}) {
  const path = wanted.mountPath
  for (const mount of present) {
    const taken = mount.mountPath.replaceAll(/\/+/g, '/').replace(/(.)\/$/, '$1')
    if (taken === path && mount.name === wanted.name) {
      if (wanted.readOnly === true && mount['readOnly'] !== true) {
        return `mounts ${mount.name} at ${path} writable; add readOnly: true or leave the mount to the injector`
      }
      return 'there'
    }
    if (taken === path) return `mounts ${mount.name} at ${path}, where the agent's files go`
    if (taken.startsWith(`${path}/`)) {
      return `mounts ${mount.name} at ${taken}, inside ${path}, where the agent's files go`
    }
  }
  return 'free'
}

function mountsFor(request: InjectionRequest): readonly V1VolumeMount[] {
  if (request.mode === 'exec') return []
  return [
    ...(request.type === 'authenticator' ? [] : [readOnly(volumes.secrets)]),
    // Writable: the incumbent's liveness script deletes a file there.
    writable(volumes.status),
    ...(request.accessToken ? [readOnly(volumes.accessToken)] : []),
  ]
}

/** Volumes of the pod that have the names of ours. */
export function takenVolumes(pod: Pod, added: readonly V1Volume[]): readonly string[] {
  const taken = new Set((pod.spec.volumes ?? []).map(({ name }) => name))
  return added
    .filter(({ name }) => taken.has(name))
    .map(
      ({ name }) => `the pod has a volume ${name} already; the injector brings its own, remove it`,
    )
}
