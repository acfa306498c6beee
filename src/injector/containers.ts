import type {
  V1Container,
  V1EnvVar,
  V1SecurityContext,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node'
import { PREFIX, type InjectionRequest } from './annotations.ts'
import type { Additions } from './patch.ts'
import { containersOf, type Pod, type PodContainer } from './pod.ts'
import type { InjectionSettings } from './settings.ts'
import { azureEnvironment, azureMounts, azureSource, hasAzureLabel } from './workload-identity.ts'

/** Volumes that exist once in an injected pod; their names are stable, so a pod may mount them elsewhere too. */
const volumes = {
  podinfo: { name: 'conjur-podinfo', path: '/conjur/podinfo' },
  status: { name: 'conjur-status', path: '/conjur/status' },
  secrets: { name: 'conjur-secrets', path: '/conjur/secrets' },
  accessToken: { name: 'conjur-access-token', path: '/run/conjur' },
  templates: { name: 'conjur-templates', path: '/conjur/templates' },
  platformToken: { name: 'conjur-platform-token', path: '/var/run/secrets/conjur.org' },
} as const

/** An injection that has been understood, and the pod it is for. */
export interface Injection {
  readonly pod: Pod
  readonly namespace: string
  readonly request: InjectionRequest
  readonly settings: InjectionSettings
}

/** The agents a request asks for, by name: what stands in an injected pod. */
export function agentsOf(
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
  return {
    additions: {
      volumes: added,
      initContainers: containers.flatMap(({ agent, container }) =>
        agent.classic ? [] : [container],
      ),
      containers: containers.flatMap(({ agent, container }) => (agent.classic ? [container] : [])),
      mounts: mounts.mounts,
      env: new Map(),
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
    ],
  }
}

/** Whether the pod brings templates for secret files: the one volume that is its own. */
export function hasTemplates(pod: Pod): boolean {
  return (pod.spec.volumes ?? []).some(({ name }) => name === volumes.templates.name)
}

/** Whether these agents stand in the pod already, by whatever hand. */
export function carriesAgents(pod: Pod, agents: readonly Agent[]): boolean {
  const containers = containersOf(pod)
  return agents.every(({ name, command }) =>
    containers.some(
      (container) =>
        container.name === name && container.args?.[0] === command && isAgent(container),
    ),
  )
}

/** Whether a container is an injected agent: nobody else gets the platform token. */
export function isAgent({ volumeMounts }: PodContainer): boolean {
  return (volumeMounts ?? []).some(({ name }) => name === volumes.platformToken.name)
}

/** What an injected pod still lacks of the identity that Azure's webhook has given to others since. */
export function completeAzure({ pod, request, settings }: Injection): Additions {
  const env = new Map<PodContainer, readonly V1EnvVar[]>()
  const mounts = new Map<PodContainer, readonly V1VolumeMount[]>()
  for (const { name } of agentsOf(request, settings)) {
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
  annotations: {},
  labels: {},
}

/** The environment of the agent as text; a placeholder where only the cluster knows the value. */
export function environmentFor(injection: Injection): Readonly<Record<string, string>> {
  const { request, settings } = injection
  const agent = agentsOf(request, settings).at(-1)
  const variables = agent === undefined ? [] : environmentOf(agent, injection)
  const given = variables.map(({ name, value }) => [
    name,
    value?.replaceAll('$$(', '$(') ?? placeholders[name] ?? 'from-the-cluster',
  ])
  return {
    ...(hasAzureLabel(injection.pod) ? azurePlaceholders : {}),
    ...Object.fromEntries(given),
  }
}

const placeholders: Readonly<Record<string, string>> = {
  CONJUR_APPLIANCE_URL: 'https://conjur.invalid',
  CONJUR_AUTHN_URL: '',
  CONJUR_AUTHENTICATOR: 'authn-jwt/from-the-cluster',
  CONJUR_AUTHN_LOGIN: 'host/from-the-cluster',
  CONJUR_SSL_CERTIFICATE: '',
}

/** What Azure's webhook will have added by the time the agent starts. */
const azurePlaceholders = {
  AZURE_CLIENT_ID: 'from-the-cluster',
  AZURE_TENANT_ID: 'from-the-cluster',
  AZURE_FEDERATED_TOKEN_FILE: '/var/run/secrets/azure/wi/token/azure-identity-token',
} as const

function addedVolumes({ request, settings }: Injection): readonly V1Volume[] {
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
    env: [...environmentOf(agent, injection), ...azureEnvironment(azure)],
    resources: { requests: request.resources.requests, limits: { ...request.resources.limits } },
    volumeMounts: [...agentMounts(pod, request), ...azureMounts(azure)],
    securityContext: securityContext(pod),
    terminationMessagePolicy: 'FallbackToLogsOnError',
    ...(agent.command === 'sidecar'
      ? {
          startupProbe: {
            exec: { command: ['conjur-agent', 'healthcheck'] },
            periodSeconds: 1,
            timeoutSeconds: 5,
            failureThreshold: 600,
          },
          ...(metricsPort === undefined || pod.spec.hostNetwork === true
            ? {}
            : { ports: [{ name: 'conjur-metrics', containerPort: metricsPort, protocol: 'TCP' }] }),
        }
      : {}),
    ...(agent.command === 'sidecar' && !agent.classic ? { restartPolicy: 'Always' } : {}),
  }
}

function environmentOf(agent: Agent, { pod, request, settings }: Injection): readonly V1EnvVar[] {
  const { conjur } = settings
  const forAzure = hasAzureLabel(pod) && conjur.workloadIdentity !== undefined
  const connection = forAzure ? (conjur.workloadIdentity?.environment ?? []) : conjur.environment
  const { metricsPort } = settings.agent
  const hostNetwork = pod.spec.hostNetwork === true
  const variables: V1EnvVar[] = [
    ...(request.connectionConfigMap === undefined
      ? connection
      : referencesTo(request.connectionConfigMap)),
    literal('CONJUR_TOKEN_AUDIENCE', settings.token.audience),
    ...loginVariable(request.login),
    ...(forAzure ? [literal('CONJUR_IDENTITY_SOURCE', 'azure-workload-identity')] : []),
    literal(
      'CONJUR_AUTHN_TOKEN_FILE',
      `${volumes.accessToken.path}/${request.type === 'authenticator' ? 'conjur-access-token' : 'access-token'}`,
    ),
    { name: 'MY_POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'MY_POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
    ...settings.agent.environment,
    // The node's ports are not the pod's to take.
    ...(hostNetwork ? [literal('CONJUR_STATUS_LISTEN', 'off')] : []),
    ...(metricsPort !== undefined && !hostNetwork && agent.command === 'sidecar'
      ? [literal('CONJUR_METRICS_LISTEN', `0.0.0.0:${metricsPort}`)]
      : []),
  ]
  // Of two variables with one name the kubelet takes the last and the API server's merge is undefined.
  return [...new Map(variables.map((variable) => [variable.name, variable])).values()]
}

/** A variable with exactly this value: the kubelet expands `$(NAME)`, and `$$(` is its escape. */
export function literal(name: string, value: string): V1EnvVar {
  return { name, value: value.replaceAll('$(', '$$$$(') }
}

/** The connection settings of a ConfigMap in the pod's own namespace, such as `conjur-connect`. */
export function referencesTo(configMap: string): readonly V1EnvVar[] {
  const from = (name: string, optional: boolean): V1EnvVar => ({
    name,
    valueFrom: { configMapKeyRef: { name: configMap, key: name, optional } },
  })
  return [
    from('CONJUR_APPLIANCE_URL', true),
    from('CONJUR_ACCOUNT', false),
    from('CONJUR_AUTHN_URL', true),
    from('CONJUR_AUTHENTICATOR', true),
    from('CONJUR_SSL_CERTIFICATE', true),
  ]
}

function loginVariable(login: InjectionRequest['login']): readonly V1EnvVar[] {
  const name = 'CONJUR_AUTHN_LOGIN'
  if (login === undefined) return []
  if ('value' in login) return [literal(name, login.value)]
  return [{ name, valueFrom: { configMapKeyRef: { name: login.configMap, key: name } } }]
}

function agentMounts(pod: Pod, request: InjectionRequest): readonly V1VolumeMount[] {
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

/** The full "restricted" profile, whatever the pod's own context says. */
function securityContext(pod: Pod): V1SecurityContext {
  return {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    privileged: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    // Where the pod names a uid, or a platform such as OpenShift will, the agent takes that one.
    ...(pod.spec.securityContext?.runAsUser === 0 ? { runAsUser: 65532 } : {}),
    seccompProfile: { type: 'RuntimeDefault' },
  }
}

function applicationMounts({ pod, request }: Injection): {
  mounts: ReadonlyMap<PodContainer, readonly V1VolumeMount[]>
  problems: readonly string[]
} {
  const wanted: readonly V1VolumeMount[] = [
    ...(request.type === 'authenticator' ? [] : [readOnly(volumes.secrets)]),
    // Writable: the incumbent's liveness script deletes a file there.
    writable(volumes.status),
    ...(request.accessToken ? [readOnly(volumes.accessToken)] : []),
  ]
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

function takenVolumes(pod: Pod, added: readonly V1Volume[]): readonly string[] {
  const taken = new Set((pod.spec.volumes ?? []).map(({ name }) => name))
  return added
    .filter(({ name }) => taken.has(name))
    .map(
      ({ name }) => `the pod has a volume ${name} already; the injector brings its own, remove it`,
    )
}
