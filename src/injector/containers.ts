import type {
  V1Container,
  V1EnvVar,
  V1SecurityContext,
  V1VolumeMount,
} from '@kubernetes/client-node'
import { PREFIX } from './annotation-notes.ts'
import type { InjectionRequest } from './annotations.ts'
import { environmentOf, servesMetrics } from './environment.ts'
import { isWrapped, wrap } from './exec.ts'
import type { Injection } from './injection.ts'
import type { Additions } from './patch.ts'
import { containersOf, type Pod, type PodContainer } from './pod.ts'
import type { InjectionSettings } from './settings.ts'
import {
  addedVolumes,
  agentMounts,
  applicationMounts,
  isAgent,
  takenVolumes,
  volumes,
} from './volumes.ts'
import { azureEnvironment, azureMounts, azureSource } from './workload-identity.ts'

/** The agents a request asks for, by name: what stands in an injected pod. */
function agentsOf(
  request: InjectionRequest,
  settings: InjectionSettings,
): readonly {
  readonly name: string
  readonly command: 'init' | 'sidecar'
  readonly classic: boolean
}[] {
  const { mode, containerName: name } = request
  const classic = settings.agent.containerStyle === 'classic'
  switch (mode) {
    case 'init':
      return [{ name, command: 'init', classic: false }]
    case 'sidecar':
      return [{ name, command: 'sidecar', classic }]
    case 'exec':
      return []
    case 'both':
      return [
        { name: `${name}-init`, command: 'init', classic: false },
        { name, command: 'sidecar', classic },
      ]
    default:
      return mode satisfies never
  }
}

/** Everything that an injection adds to the pod, or why it cannot be added. */
export function additionsFor(injection: Injection): {
  additions: Additions
  problems: readonly string[]
} {
  const { pod, request, settings } = injection
  const agents = agentsOf(request, settings)
  const containers = agents.map((agent) => ({ agent, container: agentContainer(agent, injection) }))
  const added = addedVolumes(injection)
  const mounts = applicationMounts(injection)
  const wrapped = wrap(injection)
  return {
    additions: {
      volumes: added,
      initContainers: containers.flatMap(({ agent, container }) =>
        agent.classic ? [] : [container],
      ),
      containers: containers.flatMap(({ agent, container }) => (agent.classic ? [container] : [])),
      mounts: joined(mounts.mounts, wrapped.mounts),
      env: wrapped.env,
      commands: wrapped.commands,
      annotations: { [`${PREFIX}status`]: 'injected' },
      labels: { [`${PREFIX}status`]: 'injected' },
    },
    problems: [
      ...takenNames(
        pod,
        agents.map(({ name }) => name),
      ),
      ...takenVolumes(pod, added),
      ...mounts.problems,
      ...wrapped.problems,
    ],
  }
}

/** Whether what a request asks for stands in the pod already, by whatever hand. */
export function isInjected({ pod, request, settings }: Injection): boolean {
  const containers = containersOf(pod)
  if (!isWrapped(pod, request.wrapped)) return false
  return agentsOf(request, settings).every(({ name, command }) =>
    containers.some(
      (container) =>
        container.name === name && container.args?.[0] === command && isAgent(container),
    ),
  )
}

/** What an injected pod still lacks of the identity that Azure's webhook has given to others since. */
export function completeAzure({ pod, request, settings }: Injection): Additions {
  const env = new Map<PodContainer, readonly V1EnvVar[]>()
  const mounts = new Map<PodContainer, readonly V1VolumeMount[]>()
  const names = [...agentsOf(request, settings).map(({ name }) => name), ...request.wrapped]
  for (const name of names) {
    const source = azureSource(pod, name)
    const agent = containersOf(pod).find((container) => container.name === name)
    if (source === undefined || agent === undefined) continue
    const present = new Set((agent.env ?? []).map((variable) => variable.name))
    const mounted = new Set((agent.volumeMounts ?? []).map(({ mountPath }) => mountPath))
    env.set(
      agent,
      azureEnvironment(source).filter((variable) => !present.has(variable.name)),
    )
    mounts.set(
      agent,
      azureMounts(source).filter(({ mountPath }) => !mounted.has(mountPath)),
    )
  }
  return { ...nothing, env, mounts }
}

const nothing: Additions = {
  volumes: [],
  initContainers: [],
  containers: [],
  mounts: new Map(),
  env: new Map(),
  commands: new Map(),
  annotations: {},
  labels: {},
}

type Agent = ReturnType<typeof agentsOf>[number]

function agentContainer(agent: Agent, injection: Injection): V1Container {
  const { pod, request, settings } = injection
  const { metricsPort } = settings.agent
  const azure = azureSource(pod, agent.name)
  return {
    name: agent.name,
    image: request.image,
    imagePullPolicy: settings.imagePullPolicy,
    // A flag, since an annotation beats the environment and this path is not the pod's to choose.
    args: [agent.command, `--jwt-token-path=${request.tokenPath}`],
    env: [...environmentOf(agent.command, injection), ...azureEnvironment(azure)],
    resources: { requests: request.resources.requests, limits: { ...request.resources.limits } },
    volumeMounts: [...agentMounts(pod, request), ...azureMounts(azure)],
    securityContext: securityContext(pod, settings.agent.seccompProfile),
    terminationMessagePolicy: 'FallbackToLogsOnError',
    ...(agent.command === 'sidecar'
      ? {
          startupProbe: {
            exec: { command: request.idle === 'hibernate' ? SHELL_PROBE : HEALTHCHECK },
            periodSeconds: 1,
            timeoutSeconds: 5,
            failureThreshold: 600,
          },
          ...(metricsPort === undefined || !servesMetrics(injection)
            ? {}
            : { ports: [{ name: 'conjur-metrics', containerPort: metricsPort, protocol: 'TCP' }] }),
        }
      : {}),
    ...(agent.command === 'sidecar' && !agent.classic ? { restartPolicy: 'Always' } : {}),
  }
}

const HEALTHCHECK = ['conjur-agent', 'healthcheck']

/** The same for an agent that hibernates, where no engine is to be started: the document is one line of JSON, in which a quote inside a text is escaped. */
const SHELL_PROBE = [
  'sh',
  '-c',
  `read -r l <${volumes.status.path}/agent.json; case $l in *'"ready":true'*) ;; *) exit 1 ;; esac`,
]

/** The full "restricted" profile, whatever the pod's own context says. */
function securityContext(pod: Pod, localhostProfile: string | undefined): V1SecurityContext {
  return {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    privileged: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    // Where the pod names a uid, or a platform such as OpenShift will, the agent takes that one.
    ...(pod.spec.securityContext?.runAsUser === 0 ? { runAsUser: 65532 } : {}),
    seccompProfile:
      localhostProfile === undefined
        ? { type: 'RuntimeDefault' }
        : { type: 'Localhost', localhostProfile },
  }
}

/** Both lists of mounts for every container that has one. */
function joined(
  one: ReadonlyMap<PodContainer, readonly V1VolumeMount[]>,
  other: ReadonlyMap<PodContainer, readonly V1VolumeMount[]>,
): ReadonlyMap<PodContainer, readonly V1VolumeMount[]> {
  const all = new Map(one)
  for (const [container, mounts] of other) {
    all.set(container, [...(all.get(container) ?? []), ...mounts])
  }
  return all
}

function takenNames(pod: Pod, agents: readonly string[]): readonly string[] {
  const taken = new Set(
    [...containersOf(pod), ...(pod.spec.ephemeralContainers ?? [])].map(({ name }) => name),
  )
  return agents
    .filter((name) => taken.has(name))
    .map(
      (name) =>
        `the pod has a container ${name} already; remove it or set ${PREFIX}container-name to another name`,
    )
}
