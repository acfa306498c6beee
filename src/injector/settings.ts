import type { V1EnvVar } from '@kubernetes/client-node'

/** What the administrator decided about every injected pod; no pod can change it (P8). */
export interface InjectionSettings {
  readonly image: string
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never'
  /** The injector's own namespace, in which nothing is injected. */
  readonly ownNamespace: string | undefined
  /** Whether pods opt in by annotation or by a label of the same name. */
  readonly match: 'annotation' | 'label'
  readonly conjur: ConjurSettings
  readonly token: { readonly audience: string; readonly expirationSeconds: number }
  readonly agent: AgentDefaults
  readonly annotationPolicy: AnnotationPolicy
}

/** Where Conjur is and how a pod logs in there. */
export interface ConjurSettings {
  /** Literals, or references to a ConfigMap of the pod's namespace. */
  readonly environment: readonly V1EnvVar[]
  /** `authn-jwt/prod`; undefined where only the namespace's ConfigMap knows. */
  readonly authenticator: string | undefined
  /** The whole of `environment` for pods with Azure's workload-identity label, where it differs. */
  readonly workloadIdentity:
    | { readonly authenticator: string; readonly environment: readonly V1EnvVar[] }
    | undefined
  /** Such as `host/apps/{namespace}/{serviceAccount}`. */
  readonly loginTemplate: string | undefined
}

export const modes = ['sidecar', 'init', 'both'] as const

export type Mode = (typeof modes)[number]

/** How the agent's own container looks unless a pod says otherwise. */
export interface AgentDefaults {
  readonly mode: Mode
  readonly containerStyle: 'native' | 'classic'
  /** What a sidecar does between passes. */
  readonly idle: 'stay' | 'hibernate'
  /** The image with a shell, for pods that hibernate; undefined: they are refused. */
  readonly hibernateImage: string | undefined
  /** A seccomp profile that every node has, by its name there; undefined: the runtime's own. */
  readonly seccompProfile: string | undefined
  /** Whether the application's containers see the access token. */
  readonly accessToken: boolean
  readonly secretsSizeLimit: string
  readonly resources: AgentResources
  /** Settings of the agent that pods may override by annotation, and any other environment. */
  readonly environment: readonly V1EnvVar[]
  /** A port that serves `/metrics` alone; undefined: none is opened. */
  readonly metricsPort: number | undefined
}

/** Quantities as Kubernetes writes them. */
export interface AgentResources {
  readonly requests: { readonly cpu: string; readonly memory: string }
  readonly limits: { readonly cpu?: string; readonly memory: string }
}

/** The most that an injected container may ask for, in cores and bytes. */
export const CEILING = { cpu: 0.5, memory: 256 * 2 ** 20 } as const

/** Which annotations an application may set: names or globs without `conjur.org/`; deny wins. */
export interface AnnotationPolicy {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  readonly unknown: 'deny' | 'warn'
  /** Used where a pod is silent. */
  readonly defaults: Readonly<Record<string, string>>
}
