import type { Reasons } from '../reasons.ts'

/** Why survivors of this room may live. */
export const INJECTOR: Reasons = {
  'injector/annotations.ts': [
    [
      "return 'secrets-provider'",
      'the pod is refused already, whatever the rest of its request is',
    ],
    ["part !== ''", 'a list with an empty name is refused already'],
    ['authn-(jwt|oidc)', 'an authenticator begins with its type'],
  ],
  'injector/containers.ts': [
    ['agent.env ?? []', 'an agent that was injected has an environment'],
    ['agent.volumeMounts ?? []', 'an agent that was injected has mounts'],
    [
      'source === undefined || agent === undefined',
      'only a pod that has its agents comes here, and what has no source adds nothing',
    ],
    ['ephemeralContainers ?? []', 'what has no name takes none'],
  ],
  'injector/missed.ts': [
    ["namespace ?? ''", 'neither text is a system namespace'],
    ['pod.metadata?.uid', 'a pod that opted in has metadata'],
  ],
  'injector/patch.ts': [
    ['metadata?.', 'a pod that opted in has metadata'],
    ["'~0'", 'no name that is written holds a tilde'],
    ['pod.spec[list] ?? []', 'what stands in its place has no mounts'],
    ['present?.[name] !== value', 'adding what is there already changes nothing'],
  ],
  'injector/review.ts': [
    ['pod.metadata?.', 'a pod that opted in has metadata'],
    ["?? ''", 'neither text is a group, a sub-resource or a system namespace'],
  ],
}
