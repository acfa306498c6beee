import { scalar } from './yaml.ts'

/** What of the Kubernetes API a configuration makes use of. */
export interface KubernetesNeeds {
  readonly namespace: string
  readonly serviceAccount: string
  /** Whether the platform token is asked of the API (TokenRequest). */
  readonly tokenRequest: boolean
  /** The Kubernetes Secrets that are filled: by name, all that carry the label, or none. */
  readonly secrets: readonly string[] | 'labelled' | 'none'
  /** Where those Secrets are; the service account's own namespace unless said otherwise. */
  readonly secretNamespaces?: readonly string[]
  /** The Lease that replicas share, in the service account's own namespace. */
  readonly lease?: string
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
 * The least rights for these needs, as manifests: a service account, and a role for it in each
 * namespace where the Kubernetes API is used at all. A rule names its objects wherever they are
 * known beforehand.
 */
export function rbac(needs: KubernetesNeeds): string {
  const { namespace, serviceAccount, secretNamespaces = [namespace] } = needs
  const rights = [...new Set([namespace, ...secretNamespaces])]
    .map((place) => ({
      place,
      rules: [
        ...(place === namespace ? ownRules(needs) : []),
        ...(secretNamespaces.includes(place) ? rulesForSecrets(needs.secrets) : []),
      ],
    }))
    .filter(({ rules }) => rules.length > 0)
  const account = [
    'apiVersion: v1',
    'kind: ServiceAccount',
    ...metadata(serviceAccount, namespace),
    ...(rights.length === 0
      ? [
          '# No token for the Kubernetes API is mounted: this configuration never asks it anything.',
          'automountServiceAccountToken: false',
        ]
      : []),
  ]
  const objects = rights.flatMap(({ place, rules }) => [
    roleOf(rules, { serviceAccount, place }),
    bindingOf({ namespace, serviceAccount, place }),
  ])
  return `${[account, ...objects].map((lines) => lines.join('\n')).join('\n---\n')}\n`
}

function roleOf(
  rules: readonly Rule[],
  { serviceAccount, place }: { readonly serviceAccount: string; readonly place: string },
): readonly string[] {
  return [
    'apiVersion: rbac.authorization.k8s.io/v1',
    'kind: Role',
    ...metadata(`${serviceAccount}-conjur-agent`, place),
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
}

function bindingOf({
  namespace,
  serviceAccount,
  place,
}: Pick<KubernetesNeeds, 'namespace' | 'serviceAccount'> & {
  readonly place: string
}): readonly string[] {
  const name = `${serviceAccount}-conjur-agent`
  return [
    'apiVersion: rbac.authorization.k8s.io/v1',
    'kind: RoleBinding',
    ...metadata(name, place),
    'roleRef:',
    '  apiGroup: rbac.authorization.k8s.io',
    '  kind: Role',
    `  name: ${scalar(name)}`,
    'subjects:',
    '  - kind: ServiceAccount',
    `    name: ${scalar(serviceAccount)}`,
    `    namespace: ${scalar(namespace)}`,
  ]
}

function metadata(name: string, namespace: string): readonly string[] {
  return ['metadata:', `  name: ${scalar(name)}`, `  namespace: ${scalar(namespace)}`]
}

function ownRules({ serviceAccount, tokenRequest, lease }: KubernetesNeeds): readonly Rule[] {
  const group = 'coordination.k8s.io'
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
    ...(lease === undefined
      ? []
      : [
          {
            why: 'makes the Lease by which one replica at a time works; a name cannot narrow this',
            group,
            resource: 'leases',
            verbs: ['create'],
          },
          {
            why: 'takes, renews and gives back that Lease',
            group,
            resource: 'leases',
            names: [lease],
            verbs: ['get', 'patch'],
          },
        ]),
  ]
}

function rulesForSecrets(secrets: KubernetesNeeds['secrets']): readonly Rule[] {
  if (secrets === 'none') return []
  const events: Rule = {
    why: 'tells of a Secret that cannot be filled',
    group: '',
    resource: 'events',
    verbs: ['create'],
  }
  if (secrets === 'labelled') {
    return [
      {
        why: 'finds the Secrets with the label, which no rule can narrow down, and writes the keys that conjur-map names',
        group: '',
        resource: 'secrets',
        verbs: ['list', 'watch', 'patch'],
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
      verbs: ['get', 'watch', 'patch'],
    },
    events,
  ]
}
