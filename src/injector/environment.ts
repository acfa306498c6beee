import type { V1EnvVar } from '@kubernetes/client-node'
import type { InjectionRequest } from './annotations.ts'
import type { Injection } from './injection.ts'
import { volumes } from './volumes.ts'
import { hasAzureLabel } from './workload-identity.ts'

/** How an agent runs: its sub-command. */
export type AgentCommand = 'init' | 'sidecar' | 'exec'

/** The environment of an agent: what the administrator decided, then what the pod asked for. */
export function environmentOf(command: AgentCommand, injection: Injection): readonly V1EnvVar[] {
  const { pod, request, settings } = injection
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
    ...(command === 'exec' ? [] : [literal('CONJUR_AUTHN_TOKEN_FILE', tokenFileFor(request))]),
    // The agent has it as a flag; `doctor` and `policy`, started beside it, have nothing but this.
    ...(command === 'exec' ? [] : [literal('JWT_TOKEN_PATH', request.tokenPath)]),
    { name: 'MY_POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'MY_POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
    ...settings.agent.environment,
    // The node's ports are not the pod's to take, and a wrapped program's are its own.
    ...(hostNetwork || command === 'exec' ? [literal('CONJUR_STATUS_LISTEN', 'off')] : []),
    ...(metricsPort !== undefined && command === 'sidecar' && servesMetrics(injection)
      ? [literal('CONJUR_METRICS_LISTEN', `0.0.0.0:${metricsPort}`)]
      : []),
  ]
  // Of two variables with one name the kubelet takes the last and the API server's merge is undefined.
  return [...new Map(variables.map((variable) => [variable.name, variable])).values()]
}

/** Whether a sidecar of this pod may open a port for its metrics: not the node's, nor while it sleeps. */
export function servesMetrics({ pod, request }: Injection): boolean {
  return pod.spec.hostNetwork !== true && request.idle === 'stay'
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

function tokenFileFor({ type }: InjectionRequest): string {
  const { path } = volumes.accessToken
  return type === 'authenticator' ? `${path}/conjur-access-token` : `${path}/access-token`
}

function loginVariable(login: InjectionRequest['login']): readonly V1EnvVar[] {
  const name = 'CONJUR_AUTHN_LOGIN'
  if (login === undefined) return []
  if ('value' in login) return [literal(name, login.value)]
  return [{ name, valueFrom: { configMapKeyRef: { name: login.configMap, key: name } } }]
}

/** The environment of the agent as text; a placeholder where only the cluster knows the value. */
export function environmentFor(injection: Injection): Readonly<Record<string, string>> {
  const { mode } = injection.request
  const variables = environmentOf(mode === 'both' ? 'sidecar' : mode, injection)
  const given = variables.map(({ name, value }) => [
    name,
    value?.replaceAll('$$(', '$(') ?? placeholders[name] ?? 'from-the-cluster',
  ])
  return {
    // Whether a login is needed has been said already, with the annotation to write.
    CONJUR_AUTHN_LOGIN: 'host/from-the-cluster',
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
