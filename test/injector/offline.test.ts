import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { patchManifests } from '../../src/injector/offline.ts'
import { contextWith, IMAGE, pod, type Loose } from './pods.ts'

const template = {
  metadata: {
    annotations: { 'conjur.org/inject': 'true', 'conjur.org/conjur-secrets.db': '- apps/web/x' },
  },
  spec: { containers: [{ name: 'web', image: 'nginx' }] },
}

async function patched(text: string, namespace = 'shop') {
  return patchManifests(text, { ...(await contextWith()), namespace })
}

describe('inject -f', () => {
  test.each([
    ['Deployment', { template }, (out: Loose) => out.spec.template],
    ['StatefulSet', { template }, (out: Loose) => out.spec.template],
    ['DaemonSet', { template }, (out: Loose) => out.spec.template],
    ['Job', { template }, (out: Loose) => out.spec.template],
    [
      'CronJob',
      { jobTemplate: { spec: { template } } },
      (out: Loose) => out.spec.jobTemplate.spec.template,
    ],
  ])('patches the pod template of a %s', async (kind, spec, templateOf) => {
    const object = { apiVersion: 'x/v1', kind, metadata: { name: 'web' }, spec }
    const { text, verdicts } = await patched(JSON.stringify(object))
    const out = templateOf(parseAllDocuments(text)[0]?.toJS())

    expect(verdicts).toMatchObject([{ kind, namespace: 'shop', name: 'web' }])
    expect(out.spec.initContainers[0]).toMatchObject({ name: 'conjur-agent', image: IMAGE })
    expect(out.metadata.annotations['conjur.org/status']).toBe('injected')
  })

  test('patches a Pod and the items of a List', async () => {
    const list = { apiVersion: 'v1', kind: 'List', items: [pod(), { kind: 'Service' }, pod()] }
    const { text, verdicts } = await patched(JSON.stringify(list))
    const [out] = parseAllDocuments(text).map((document) => document.toJS())

    expect(verdicts).toHaveLength(2)
    expect(out.items[2].spec.initContainers[0].image).toBe(IMAGE)
  })

  test('keeps comments, order and every document that has nothing to do with it', async () => {
    const source = `# a service
apiVersion: v1
kind:    Service   # odd spaces
---
# the shop
kind: Pod
metadata:
  annotations: # ours
    conjur.org/inject: "yes"
    conjur.org/conjur-secrets.db: |
      - apps/web/db-password
spec:
  containers:
    - name: web # the application
---
kind: ConfigMap
data: {a: |-
  ---x }
`
    const { text } = await patched(source.replace('|-\n  ---x }', '"---x"}'))

    expect(
      text.startsWith('# a service\napiVersion: v1\nkind:    Service   # odd spaces\n---\n'),
    ).toBe(true)
    expect(text).toContain('# the shop\nkind: Pod\n')
    expect(text).toContain('    - name: web # the application\n      volumeMounts:\n')
    expect(text.endsWith('---\nkind: ConfigMap\ndata: {a: "---x"}\n')).toBe(true)
  })

  test('leaves its own output as it is', async () => {
    const once = await patched(JSON.stringify(pod()))
    const twice = await patched(once.text)

    expect(twice.text).toBe(once.text)
  })

  test('takes the namespace from the manifest, else from the flag', async () => {
    const other = pod({}, {}, { namespace: 'kube-system' })
    const { verdicts } = await patched(
      `${JSON.stringify(other)}\n---\n${JSON.stringify(pod())}\n`,
      'conjur-agent',
    )

    expect(verdicts.map(({ verdict }) => verdict.reason)).toEqual(['namespace', 'namespace'])
  })

  test('a text that is no YAML is named by its number', async () => {
    const { unreadable } = await patched('kind: Pod\n---\n{ a: [\n')

    expect(unreadable).toEqual(['document 2 is no YAML'])
  })
})
