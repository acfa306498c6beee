import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { rbac, type KubernetesNeeds } from '../../src/doctor/rbac.ts'

const files: KubernetesNeeds = {
  namespace: 'shop',
  serviceAccount: 'web',
  tokenRequest: false,
  secrets: 'none',
}

function objects(needs: Partial<KubernetesNeeds>): readonly Record<string, unknown>[] {
  const documents = parseAllDocuments(rbac({ ...files, ...needs }))
  return Array.isArray(documents) ? documents.map((document) => document.toJS()) : []
}

test('files alone need no right at all, and no token for the API', () => {
  expect(objects({})).toEqual([
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'web', namespace: 'shop' },
      automountServiceAccountToken: false,
    },
  ])
})

test('a token from the API needs the right to ask for its own and no other', () => {
  const [account, role, binding] = objects({ tokenRequest: true })

  expect(account).not.toHaveProperty('automountServiceAccountToken')
  expect(role).toMatchObject({
    kind: 'Role',
    rules: [
      {
        apiGroups: [''],
        resources: ['serviceaccounts/token'],
        resourceNames: ['web'],
        verbs: ['create'],
      },
    ],
  })
  expect(binding).toMatchObject({
    kind: 'RoleBinding',
    roleRef: { kind: 'Role', name: 'web-conjur-agent' },
    subjects: [{ kind: 'ServiceAccount', name: 'web', namespace: 'shop' }],
  })
})

test.each([
  [['db', 'api-keys'], { resourceNames: ['db', 'api-keys'], verbs: ['get', 'watch', 'patch'] }],
  ['labelled' as const, { verbs: ['list', 'watch', 'patch'] }],
])('Kubernetes Secrets %j may be filled, and nothing created or deleted', (secrets, rule) => {
  const [, role] = objects({ secrets })

  expect(role).toMatchObject({
    rules: [
      { resources: ['secrets'], ...rule },
      { resources: ['events'], verbs: ['create'] },
    ],
  })
})

test('standalone needs its Lease, and the Secrets of each allowed namespace, nothing else', () => {
  const found = objects({
    secrets: 'labelled',
    secretNamespaces: ['billing', 'stock'],
    lease: 'conjur-agent-standalone',
  })

  expect(found.map(({ kind, metadata }) => [kind, metadata])).toEqual([
    ['ServiceAccount', { name: 'web', namespace: 'shop' }],
    ...['shop', 'billing', 'stock'].flatMap((namespace) => [
      ['Role', { name: 'web-conjur-agent', namespace }],
      ['RoleBinding', { name: 'web-conjur-agent', namespace }],
    ]),
  ])
  expect(found[1]).toMatchObject({
    rules: [
      { resources: ['leases'], verbs: ['create'] },
      {
        resources: ['leases'],
        resourceNames: ['conjur-agent-standalone'],
        verbs: ['get', 'patch'],
      },
    ],
  })
  expect(found[3]).toMatchObject({ rules: [{ resources: ['secrets'] }, { resources: ['events'] }] })
})
