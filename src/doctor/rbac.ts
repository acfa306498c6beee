import { scalar } from './yaml.ts'

/** What of the Kubernetes API a configuration makes use of. */
export interface KubernetesNeeds {
  readonly namespace: string
  readonly serviceAccount: string
  /** Whether the platform token is asked of the API (TokenRequest). */
  readonly tokenRequest: boolean
  /** The Kubernetes Secrets that are filled: by name, all that carry the label, or none. */
  readonly secrets: readonly string[] | 'labelled' | 'none'
}

interface Rule {
  readonly why: string
  readonly group: string
  readonly resource: string
  /** Undefined where the objects are not known beforehand. */
  readonly names?: readonly string[]
  readonly verbs: readonly string[]
}

/**
 * The least rights for these needs, as manifests: a service account, and a role for it only where
 * the Kubernetes API is used at all. A rule names its objects wherever they are
 * known beforehand.
 */
export function rbac(needs: KubernetesNeeds): string {
  const { namespace, serviceAccount } = needs
  const rules = rulesFor(needs)
  const account = [
    'apiVersion: v1',
    'kind: ServiceAccount',
    ...metadata(serviceAccount, namespace),
    ...(rules.length === 0
      ? [
          '# No token for the Kubernetes API is mounted: this configuration never asks it anything.',
          'automountServiceAccountToken: false',
        ]
      : []),
  ]
  if (rules.length === 0) return `${account.join('\n')}\n`
  const name = `${serviceAccount}-conjur-agent`
  const role = [
    'apiVersion: rbac.authorization.k8s.io/v1',
    'kind: Role',
    ...metadata(name, namespace),
    'rules:',
    ...rules.flatMap((rule) => [
      `  # ${rule.why}`,
      `  - apiGroups: ["${rule.group}"]`,
      `    resources: ["${rule.resource}"]`,
      ...(rule.names === undefined
        ? []
        : [`    resourceNames: [${rule.names.map((one) => scalar(one)).join(', ')}]`]),
      `    verbs: [${rule.verbs.join(', ')}]`,
    ]),
  ]
  const binding = [
    'apiVersion: rbac.authorization.k8s.io/v1',
    'kind: RoleBinding',
    ...metadata(name, namespace),
    'roleRef:',
    '  apiGroup: rbac.authorization.k8s.io',
    '  kind: Role',
    `  name: ${scalar(name)}`,
    'subjects:',
    '  - kind: ServiceAccount',
    `    name: ${scalar(serviceAccount)}`,
    `    namespace: ${scalar(namespace)}`,
  ]
  return `${[account, role, binding].map((lines) => lines.join('\n')).join('\n---\n')}\n`
}

function metadata(name: string, namespace: string): readonly string[] {
  return ['metadata:', `  name: ${scalar(name)}`, `  namespace: ${scalar(namespace)}`]
}

function rulesFor({ serviceAccount, tokenRequest, secrets }: KubernetesNeeds): readonly Rule[] {
  return [
    ...(tokenRequest
      ? [
          {
            why: 'asks for its own platform token, with the audience that Conjur wants',
            group: '',
            resource: 'serviceaccounts/token',
            names: [serviceAccount],
            verbs: ['create'],
          },
        ]
      : []),
    ...rulesForSecrets(secrets),
  ]
}

function rulesForSecrets(secrets: KubernetesNeeds['secrets']): readonly Rule[] {
  if (secrets === 'none') return []
  const events: Rule = {
    why: 'tells of a Secret that cannot be filled',
    group: '',
    resource: 'events',
    verbs: ['create', 'patch'],
  }
  if (secrets === 'labelled') {
    return [
      {
        why: 'finds the Secrets with the label, which no rule can narrow down, and writes the keys that conjur-map names',
        group: '',
        resource: 'secrets',
        verbs: ['list', 'get', 'patch'],
      },
      events,
    ]
  }
  return [
    {
      why: 'reads conjur-map in these Secrets and writes the keys that it names',
      group: '',
      resource: 'secrets',
      names: secrets,
      verbs: ['get', 'patch'],
    },
    events,
  ]
}
