/*
 * Against a real API server: KUBECONFIG must name one where namespaces may be made, as
 * test/e2e/testbed/control-plane.sh starts it.
 *
 *   npx vitest run --config .config/e2e.config.ts test/e2e/kubernetes-secrets
 */
import { randomBytes } from 'node:crypto'
import type { CoreV1Api } from '@kubernetes/client-node'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseSecretList } from '../../src/config/secret-list.ts'
import { Secret } from '../../src/core/secret.ts'
import { connect, type Cluster } from '../../src/kubernetes/cluster.ts'
import { eventPort } from '../../src/kubernetes/events.ts'
import { managedSecrets } from '../../src/kubernetes/managed-secrets.ts'
import { kubernetesSecrets } from '../../src/outputs/kubernetes-secrets.ts'
import type { Published } from '../../src/outputs/output.ts'

const MAP = 'user: app/user\npassword: app/password\nkey: {id: app/key, content-type: base64}\n'
const values = { 'app/user': 'web', 'app/password': 'hunter2', 'app/key': 'AP8=' }
const never = new AbortController().signal

describe.skipIf(process.env['KUBECONFIG'] === undefined)('Kubernetes Secrets', () => {
  let cluster: Cluster
  let api: CoreV1Api
  let namespace: string

  beforeAll(async () => {
    cluster = await connect()
    api = cluster.config.makeApiClient(cluster.library.CoreV1Api)
    namespace = `secrets-${randomBytes(4).toString('hex')}`
    await api.createNamespace({ body: { metadata: { name: namespace } } })
  })

  test('own keys are filled, and keys of others survive', async () => {
    await create('db', { 'conjur-map': MAP, foreign: 'theirs' })

    const [published] = await publish(['db'], values)

    expect(published).toMatchObject({ name: 'secret/db', state: 'written', values: 3 })
    expect(await dataOf('db')).toEqual({
      'conjur-map': MAP,
      foreign: 'theirs',
      user: 'web',
      password: 'hunter2',
      key: '\0\ufffd',
    })
    expect((await annotationsOf('db'))['conjur.org/condition']).toBe('fresh')
  })

  test('an unchanged Secret is not written', async () => {
    await create('same', { 'conjur-map': MAP })
    await publish(['same'], values)
    const before = await versionOf('same')

    const [published] = await publish(['same'], values)

    expect(published?.state).toBe('same')
    expect(await versionOf('same')).toBe(before)
  })

  test('drift is repaired without any memory', async () => {
    await create('drift', { 'conjur-map': MAP })
    await publish(['drift'], values)
    await replaceData('drift', { 'conjur-map': MAP, user: 'someone', foreign: 'new' })

    await publish(['drift'], values)

    expect(await dataOf('drift')).toMatchObject({
      user: 'web',
      password: 'hunter2',
      foreign: 'new',
    })
  })

  test('P4 a withdrawn value takes its key along, an uncertain one stays', async () => {
    await create('revoked', { 'conjur-map': MAP, foreign: 'theirs' })
    await publish(['revoked'], values)

    const [published] = await publish(['revoked'], { 'app/user': 'new' }, ['app/key'])

    expect(published?.state).toBe('written')
    expect(Object.keys(await dataOf('revoked')).toSorted(byText)).toEqual([
      'conjur-map',
      'foreign',
      'key',
      'user',
    ])
  })

  test('a key that is dropped from the map goes', async () => {
    await create('dropped', { 'conjur-map': 'user: app/user\npassword: app/password' })
    await publish(['dropped'], values)
    await replaceData('dropped', { ...(await dataOf('dropped')), 'conjur-map': 'user: app/user' })

    await publish(['dropped'], values)

    expect(Object.keys(await dataOf('dropped')).toSorted(byText)).toEqual(['conjur-map', 'user'])
  })

  test('labelled Secrets are found by any true label, groups render templates, "*" takes all', async () => {
    const labels = { 'conjur.org/managed-by-provider': 'True' }
    await create(
      'labelled',
      {},
      {
        labels,
        annotations: {
          'conjur.org/conjur-secrets.conf': '- app/user\n- app/password',
          'conjur.org/secret-file-template.conf': 'u={{ secret "user" }} p={{ secret "password" }}',
        },
      },
    )
    await create(
      'all',
      { 'conjur-map': '"*": {id: "*", exclude: "app/key", strip: app/}' },
      { labels },
    )
    await create('nothing', {}, { labels })

    const published = await publish([], values)

    expect(published.map(({ name, state }) => `${name} ${state}`).toSorted(byText)).toEqual([
      'secret/all written',
      'secret/labelled written',
      'secret/nothing same',
    ])
    expect(await dataOf('labelled')).toEqual({ conf: 'u=web p=hunter2' })
    expect(await dataOf('all')).toMatchObject({ user: 'web', password: 'hunter2' })
  })

  test('what cannot be filled is an outcome on that Secret, and the others go on', async () => {
    await create('frozen', { 'conjur-map': MAP }, { immutable: true })
    await create(
      'tls',
      { 'conjur-map': 'user: app/user', 'tls.crt': '', 'tls.key': '' },
      { type: 'kubernetes.io/tls' },
    )
    await create('broken', { 'conjur-map': '[' })
    await create('huge', { 'conjur-map': 'big: app/big' })
    await create('many', { 'conjur-map': '"*": {id: "*", exclude: "**/big", max: 1}' })
    await create('fine', { 'conjur-map': MAP })
    const names = ['frozen', 'absent', 'broken', 'huge', 'many', 'fine']

    const published = await publish(names, { ...values, 'app/big': 'x'.repeat(1024 * 1024) })

    expect(published.map(({ name, state, error }) => [name, state, error?.code])).toEqual([
      ['secret/frozen', 'kept', 'OUTPUT_BLOCKED'],
      ['secret/absent', 'missing', 'OUTPUT_UNWRITABLE'],
      ['secret/broken', 'kept', 'OUTPUT_UNFIT'],
      ['secret/huge', 'kept', 'OUTPUT_FULL'],
      ['secret/many', 'kept', 'OUTPUT_FULL'],
      ['secret/fine', 'written', undefined],
    ])
    expect((await annotationsOf('frozen'))['conjur.org/condition']).toBe(
      'OUTPUT_BLOCKED: Secret frozen is immutable',
    )
    const events = await api.listNamespacedEvent({ namespace })
    expect(events.items.map(({ involvedObject }) => involvedObject.name)).toContain('frozen')
  })

  test('a Secret that is deleted in mid-pass is not made again', async () => {
    await create('gone', { 'conjur-map': MAP })
    const store = storeOf()
    const target = await store.read('gone', never)
    if (target === undefined || 'status' in target) throw new Error('not made')
    await api.deleteNamespacedSecret({ name: 'gone', namespace })

    const refusal = await store.apply(target, new Map([['user', new Secret('x')]]), never)

    expect(refusal).toMatchObject({ status: 409 })
    expect(await store.read('gone', never)).toBeUndefined()
  })

  function storeOf() {
    const emit = eventPort(cluster, 'conjur-agent')
    return managedSecrets(cluster, { namespace, emit, now: () => Date.now() })
  }

  async function publish(
    names: readonly string[],
    known: Readonly<Record<string, string>>,
    unknown: readonly string[] = [],
  ): Promise<readonly Published[]> {
    const output = kubernetesSecrets({
      store: storeOf(),
      names,
      parseYaml: async (text) => parse(text),
      parseList: parseSecretList,
    })
    return output.publish(
      {
        accessToken: new Secret('{}'),
        values: new Map(Object.entries(known).map(([id, text]) => [id, new Secret(text)])),
        unknown: new Set(unknown),
        listed: Object.keys(known),
      },
      never,
    )
  }

  async function create(
    name: string,
    stringData: Record<string, string>,
    more: {
      labels?: Record<string, string>
      annotations?: Record<string, string>
      immutable?: boolean
      type?: string
    } = {},
  ): Promise<void> {
    const { labels = {}, annotations = {}, ...rest } = more
    await api.createNamespacedSecret({
      namespace,
      body: { metadata: { name, labels, annotations }, stringData, ...rest },
    })
  }

  async function replaceData(name: string, data: Record<string, string>): Promise<void> {
    const secret = await api.readNamespacedSecret({ name, namespace })
    const encoded = Object.entries(data).map(([key, text]) => [
      key,
      Buffer.from(text).toString('base64'),
    ])
    await api.replaceNamespacedSecret({
      name,
      namespace,
      body: Object.assign(secret, { data: Object.fromEntries(encoded) }),
    })
  }

  async function dataOf(name: string): Promise<Record<string, string>> {
    const { data = {} } = await api.readNamespacedSecret({ name, namespace })
    const decoded = Object.entries(data).map(([key, base64]) => [
      key,
      Buffer.from(base64, 'base64').toString(),
    ])
    return Object.fromEntries(decoded)
  }

  async function annotationsOf(name: string): Promise<Record<string, string>> {
    return (await api.readNamespacedSecret({ name, namespace })).metadata?.annotations ?? {}
  }

  async function versionOf(name: string): Promise<string | undefined> {
    return (await api.readNamespacedSecret({ name, namespace })).metadata?.resourceVersion
  }
})

function byText(one: string, other: string): number {
  return one < other ? -1 : 1
}
