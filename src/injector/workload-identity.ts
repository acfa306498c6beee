import type { V1EnvVar, V1VolumeMount } from '@kubernetes/client-node'
import { containersOf, type Pod, type PodContainer } from './pod.ts'

/**
 * Azure's workload-identity webhook gives its environment and token volume to the containers it
 * finds. Called before us, it has not seen our container, so both are taken over from a container
 * that has them; called after us, it finds ours like any other and leaves what is there.
 */

/** Whether a pod asks Azure's webhook for an identity. */
export function hasAzureLabel(pod: Pod): boolean {
  return pod.metadata?.labels?.['azure.workload.identity/use'] === 'true'
}

/** The container whose Azure identity `agent` should share; undefined where there is none yet. */
export function azureSource(pod: Pod, agent: string): PodContainer | undefined {
  if (!hasAzureLabel(pod)) return undefined
  const skipped = pod.metadata?.annotations?.['azure.workload.identity/skip-containers'] ?? ''
  if (skipped.split(';').some((name) => name.trim() === agent)) return undefined
  return containersOf(pod).find(({ env }) =>
    (env ?? []).some((variable) => variable.name === TOKEN_FILE),
  )
}

/** The variables that Azure's webhook sets, as `source` has them. */
export function azureEnvironment(source: PodContainer | undefined): readonly V1EnvVar[] {
  return (source?.env ?? []).filter(({ name }) => variables.has(name))
}

/** The mounts that hold the federated token and the proxy's CA, as `source` has them. */
export function azureMounts(source: PodContainer | undefined): readonly V1VolumeMount[] {
  const files = (source?.env ?? []).flatMap(({ name, value }) =>
    (name === TOKEN_FILE || name === CA_FILE) && typeof value === 'string' ? [value] : [],
  )
  return (source?.volumeMounts ?? [])
    .filter(({ mountPath }) =>
      files.some((file) => file.startsWith(`${mountPath.replace(/\/$/, '')}/`)),
    )
    .map((mount) => ({ ...mount, readOnly: true }))
}

const TOKEN_FILE = 'AZURE_FEDERATED_TOKEN_FILE'
const CA_FILE = 'AZURE_KUBERNETES_CA_FILE'

const variables: ReadonlySet<string> = new Set([
  'AZURE_AUTHORITY_HOST',
  'AZURE_CLIENT_ID',
  TOKEN_FILE,
  'AZURE_KUBERNETES_CA_DATA',
  CA_FILE,
  'AZURE_KUBERNETES_SNI_NAME',
  'AZURE_KUBERNETES_TOKEN_PROXY',
  'AZURE_TENANT_ID',
])
