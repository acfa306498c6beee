import type { Reasons } from '../reasons.ts'

const TYPES = 'a pod that was read has it; only its type says that it may be missing'
const NO_NAME = 'neither text names a namespace or a pod'

/** Why survivors of this room may live. */
export const INJECTOR: Reasons = {
  'injector/annotations.ts': [
    ["type === 'secrets-provider'", 'the other type was answered one branch above'],
    ["'conjurConnConfig'", 'this annotation counts only where an administrator opens it by name'],
    ["'jwt-token-path'", 'this annotation counts only where an administrator opens it by name'],
    [
      "return 'secrets-provider'",
      'the pod is refused already; what the rest would be does not matter',
    ],
    ["mode === 'exec'", 'exec has no agent of its own to sleep'],
    ["part !== ''", 'a list with an empty name is refused already'],
    [
      'authenticator !== undefined',
      'the word undefined is refused with an authenticator that is missing',
    ],
    ['authn-(jwt|oidc)', 'an authenticator begins with its type'],
  ],
  'injector/containers.ts': [
    ['mounts: joined', TYPES],
    ['annotations: { [', 'the label says the same, and is what is looked at'],
    ['azureSource', 'what has no source adds nothing'],
    ['source === undefined || agent === undefined', 'what has no source adds nothing'],
    ['new Set((agent.', TYPES],
    ['container.name === name', 'of containers with one name the API server takes one'],
    ["'FallbackToLogsOnError'", 'how a message of a crash is found; nothing depends on it'],
    ['metricsPort === undefined', 'metrics are served only where there is a port'],
    ['all.get(container) ?? []', 'only exec-wrapped containers have mounts of both kinds'],
    ['ephemeralContainers ?? []', 'a pod that is created has none'],
  ],
  'injector/missed.ts': [
    ['annotations?.', 'a pod that opted in has annotations'],
    ["namespace ?? ''", NO_NAME],
    ['pod.metadata?.uid', 'a running pod has one'],
    ["?? ''", NO_NAME],
  ],
  'injector/patch.ts': [
    ['metadata?.', 'a pod that opted in has metadata'],
    ["'~1'", 'no name that we write holds a tilde'],
    ["'~0'", 'no name that we write holds a tilde'],
    ['pod.spec[list] ?? []', 'what is not there has no containers to be mounted into'],
    ['present?.[name] !== value', 'the second pass finds the agent before it comes to this'],
    [
      'present === null',
      'a pod whose annotations are null has not opted in; labels are, which the API server leaves out',
    ],
    ['Object.fromEntries(missing)', 'as above'],
    ["op: 'add'", 'as above'],
  ],
  'injector/quantity.ts': [['const match', 'a second digit is taken by the part behind the point']],
  'injector/review.ts': [
    ['pod.metadata?.', 'a pod that opted in has metadata'],
    ["?? ''", 'a group or sub-resource that is missing is the core one'],
    [
      'name.startsWith(PREFIX)',
      'a key that is not ours is not known, and is warned of by another path',
    ],
    ["'default'", 'the API server has filled it in before'],
    ["kind.kind === 'Pod'", 'the resource says the same'],
    ['return []', 'a key that is not ours has no near name'],
    ['guess === undefined', 'a key that is known has no near name'],
  ],
}
