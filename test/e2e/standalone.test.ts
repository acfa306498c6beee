/*
 * Two replicas of the built agent in standalone mode, with the service account and the rights that
 * the chart gives them, against a real API server and the devserver; see kubernetes-secrets.test.ts.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CoreV1Api } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { connect } from '../../src/kubernetes/cluster.ts'
import type { AgentProcess } from '../support/agent-process.ts'
import { ENOUGH, SECRETS_CHART } from '../support/helm.ts'
import { workbench, type Workbench } from '../support/workbench.ts'
import { kubernetes, scratch } from './kubernetes.ts'

const { KUBECONFIG } = process.env

describe.skipIf(KUBECONFIG === undefined)('CONTAINER_MODE=standalone', () => {
  let api: CoreV1Api
  let bench: Workbench
  let replicaKubeconfig: string
  const suffix = randomBytes(4).toString('hex')
  const [own, shop, billing, other] = ['own', 'shop', 'billing', 'other'].map(
    (name) => `${name}-${suffix}`,
  ) as [string, string, string, string]

  beforeAll(async () => {
    const { config, library } = await connect()
    api = config.makeApiClient(library.CoreV1Api)
    bench = await workbench()
    for (const namespace of [own, shop, billing, other]) {
      await api.createNamespace({ body: { metadata: { name: namespace } } })
    }
    for (const namespace of [shop, billing, other]) {
      const metadata = { name: 'db', labels: { 'conjur.org/managed-by-provider': 'true' } }
      const stringData = { 'conjur-map': 'user: apps/db-user', foreign: 'theirs' }
      await api.createNamespacedSecret({ namespace, body: { metadata, stringData } })
    }
    replicaKubeconfig = await installRights()
  })

  afterAll(async () => {
    await bench[Symbol.asyncDispose]()
  })

  test('allowed namespaces are filled, others are not, and a killed leader is succeeded', async () => {
    const first = start('agent-1')
    await first.line(({ state }) => state === 'leading')
    const second = start('agent-2')
    await second.line(({ state }) => state === 'following')
    await eventually(async () => expect(await statusOf('agent-2')).toMatchObject({ ready: true }))
    expect(await statusOf('agent-2')).not.toHaveProperty('nextPassAt')
    await eventually(async () => {
      expect(await userOf(shop)).toBe('web')
      expect(await userOf(billing)).toBe('web')
    })
    expect(await userOf(other)).toBeUndefined()

    first.kill('SIGKILL')
    await first.ended
    bench.conjur.setValue('apps/db-user', 'rotated')
    await second.line(({ state }) => state === 'leading')
    await eventually(async () => expect(await userOf(billing)).toBe('rotated'))

    second.kill('SIGTERM')
    expect((await second.ended).code).toBe(0)
    expect(await userOf(other)).toBeUndefined()
  })

  function start(name: string): AgentProcess {
    mkdirSync(statusDirectory(name))
    return bench.start([], {
      KUBECONFIG: replicaKubeconfig,
      CONTAINER_MODE: 'standalone',
      NAMESPACE_ALLOWLIST: `${shop},${billing}`,
      MY_POD_NAMESPACE: own,
      MY_POD_NAME: name,
      CONJUR_STATUS_DIRECTORY: statusDirectory(name),
      CONJUR_SECRETS_REFRESH_INTERVAL: '1s',
    })
  }

  /** Makes the chart's service account with its roles, and a kubeconfig for it. */
  async function installRights(): Promise<string> {
    const cluster = kubernetes(KUBECONFIG ?? '')
    const values = [...ENOUGH, `namespaces={${shop},${billing}}`, 'fullnameOverride=filler']
    const manifests = await cluster.helm([
      'template',
      'filler',
      SECRETS_CHART,
      `--namespace=${own}`,
      '--show-only=templates/serviceaccount.yaml',
      '--show-only=templates/rbac.yaml',
      ...values.flatMap((value) => ['--set', value]),
    ])
    await cluster.kubectl('apply -f -', manifests)
    const token = (await cluster.kubectl(`create token filler -n ${own} --duration=1h`)).trim()
    const config = JSON.parse(await cluster.kubectl('config view --raw -o json'))
    config.users = [{ name: 'filler', user: { token } }]
    config.contexts[0].context.user = 'filler'
    return scratch('kubeconfig', JSON.stringify(config))
  }

  function statusDirectory(name: string): string {
    return join(bench.directory, `status-${name}`)
  }

  async function statusOf(name: string): Promise<unknown> {
    return JSON.parse(await readFile(join(statusDirectory(name), 'agent.json'), 'utf8'))
  }

  async function userOf(namespace: string): Promise<string | undefined> {
    const { data = {} } = await api.readNamespacedSecret({ name: 'db', namespace })
    const user = data['user']
    return user === undefined ? undefined : Buffer.from(user, 'base64').toString()
  }

  function eventually(check: () => Promise<void>): Promise<void> {
    return vi.waitFor(check, { timeout: 30_000, interval: 100 })
  }
})
