/*
 * The built agent against a real API server and the devserver; see kubernetes-secrets.test.ts.
 */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  KubeConfig,
  KubernetesObjectApi,
  type CoreV1Api,
  type KubernetesObject,
} from '@kubernetes/client-node'
import { parseAllDocuments } from 'yaml'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { connect } from '../../src/kubernetes/cluster.ts'
import { CANARY, workbench, type Workbench } from '../support/workbench.ts'

const { KUBECONFIG } = process.env

describe.skipIf(KUBECONFIG === undefined)('SECRETS_DESTINATION=k8s_secrets', () => {
  let api: CoreV1Api
  let bench: Workbench
  let environment: Record<string, string>
  const namespace = `destination-${randomBytes(4).toString('hex')}`

  beforeAll(async () => {
    const { config, library } = await connect()
    api = config.makeApiClient(library.CoreV1Api)
    await api.createNamespace({ body: { metadata: { name: namespace } } })
    bench = await workbench()
    environment = {
      KUBECONFIG: KUBECONFIG ?? '',
      SECRETS_DESTINATION: 'k8s_secrets',
      MY_POD_NAMESPACE: namespace,
    }
  })

  afterAll(async () => {
    await bench[Symbol.asyncDispose]()
  })

  test('init fills the named Secrets and ends', async () => {
    await create('db', { 'conjur-map': 'user: apps/db-user\npassword: {id: apps/db-password}' })

    const agent = bench.start(['init'], { ...environment, K8S_SECRETS: 'db' })
    const { code } = await agent.ended

    expect(agent.output()).not.toContain(CANARY)
    expect(code).toBe(0)
    expect(await dataOf('db')).toMatchObject({ user: 'web', password: `${CANARY}-password` })
  })

  test('P5 init ends with an error while a Secret lacks a value', async () => {
    await create('lacking', { 'conjur-map': 'user: apps/db-user\nnone: apps/unset' })

    const agent = bench.start(['init'], {
      ...environment,
      K8S_SECRETS: 'lacking',
      RETRY_COUNT_LIMIT: '0',
    })
    const { code } = await agent.ended

    expect(agent.stderr()).toContain('OUTPUT_UNFIT: Secret lacking lacks apps/unset')
    expect(code).toBe(6)
  })

  test('a sidecar keeps labelled Secrets fresh, all variables too', async () => {
    const labels = { 'conjur.org/managed-by-provider': 'true' }
    await create('all', { 'conjur-map': '"*": "*"' }, labels)
    const agent = bench.start(['sidecar'], {
      ...environment,
      CONJUR_SECRETS_REFRESH_INTERVAL: '1s',
    })
    await agent.line(({ code }) => code === 'PUBLISHED')

    bench.conjur.setValue('apps/db-password', 'rotated')
    await vi.waitFor(
      async () => expect((await dataOf('all'))['apps.db-password']).toBe('rotated'),
      { timeout: 15_000, interval: 100 },
    )
    agent.kill('SIGTERM')

    expect((await agent.ended).code).toBe(0)
    expect(Object.keys(await dataOf('all'))).toContain('apps.with.comma')
    expect(Object.keys(await dataOf('all'))).not.toContain('apps.locked')
  })

  test('a sidecar meets a changed map and a new Secret at once', async () => {
    const labels = { 'conjur.org/managed-by-provider': '1' }
    await create('watched', { 'conjur-map': 'user: apps/db-user' }, labels)
    const agent = bench.start(['sidecar'], {
      ...environment,
      CONJUR_SECRETS_REFRESH_INTERVAL: '1h',
    })
    await agent.line(({ code }) => code === 'PUBLISHED')

    await create('late', { 'conjur-map': 'user: apps/db-user' }, labels)
    await vi.waitFor(async () => expect(await dataOf('late')).toMatchObject({ user: 'web' }), {
      timeout: 15_000,
      interval: 100,
    })
    agent.kill('SIGTERM')

    expect((await agent.ended).code).toBe(0)
  })

  test.each([
    ['by name', { K8S_SECRETS: 'narrow' }],
    ['by label', {}],
  ])('the rights that `rbac` prints are enough: %s', async (how, more) => {
    const account = how.replace(' ', '-')
    const labels: Record<string, string> =
      how === 'by label' ? { 'conjur.org/managed-by-provider': 'true' } : {}
    const name = how === 'by label' ? 'narrow-labelled' : 'narrow'
    await create(name, { 'conjur-map': 'user: apps/db-user' }, labels)
    await create(`${account}-broken`, { 'conjur-map': '[' }, labels)
    await load(await printed(account, more))
    const narrow = await kubeconfigOf(account)

    const agent = bench.start(['sidecar'], {
      ...environment,
      ...more,
      KUBECONFIG: narrow,
      CONJUR_SECRETS_REFRESH_INTERVAL: '1h',
    })
    await agent.line(({ code }) => code === 'PUBLISHED')
    await vi.waitFor(async () => expect(await dataOf(name)).toMatchObject({ user: 'web' }))
    agent.kill('SIGTERM')

    expect((await agent.ended).code).toBe(0)
    expect(agent.output()).not.toContain('may not')
  })

  /** What `conjur-agent rbac` prints for these settings. */
  async function printed(account: string, more: Record<string, string>): Promise<string> {
    const agent = bench.start(['rbac', '--namespace', namespace, '--service-account', account], {
      ...environment,
      ...more,
    })
    await agent.ended
    return agent.output().slice(agent.output().indexOf('apiVersion:'))
  }

  async function load(manifests: string): Promise<void> {
    const { config } = await connect()
    const objects = config.makeApiClient(KubernetesObjectApi)
    for (const document of parseAllDocuments(manifests)) {
      await objects.create(document.toJS() as KubernetesObject)
    }
  }

  /** A kubeconfig of a service account alone. */
  async function kubeconfigOf(name: string): Promise<string> {
    const { config } = await connect()
    const made = await api.createNamespacedServiceAccountToken({
      name,
      namespace,
      body: { spec: { audiences: [], expirationSeconds: 600 } },
    })
    const cluster = config.getCurrentCluster()
    const path = join(bench.directory, `${name}.kubeconfig`)
    const context = { name: 'narrow', cluster: cluster?.name ?? '', user: name }
    const narrow = new KubeConfig()
    narrow.loadFromOptions({
      clusters: [cluster],
      users: [{ name, token: made.status?.token }],
      contexts: [context],
      currentContext: 'narrow',
    })
    await writeFile(path, narrow.exportConfig())
    return path
  }

  async function create(
    name: string,
    stringData: Record<string, string>,
    labels: Record<string, string> = {},
  ): Promise<void> {
    await api.createNamespacedSecret({
      namespace,
      body: { metadata: { name, labels }, stringData },
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
})
