import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:https'
import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeAuthority, makeLeaf } from '../../src/injector/certificate.ts'
import { testCa } from '../support/certificate.ts'
import { CHART, ENOUGH, SECRETS_CHART } from '../support/helm.ts'
import {
  eventually,
  kubernetes,
  scratch,
  startProgram,
  type Kubernetes,
  type Loose,
  type Program,
} from './kubernetes.ts'

/*
 * The injector and the chart against a real API server. There is no node, so the replicas are
 * processes of this machine that hold the chart's own ServiceAccount, behind the chart's own Service.
 */

const NAME = 'conjur-agent-injector'
const IMAGE = 'ghcr.io/example/conjur-agent:0.1.0'
const PORTS = [18_701, 18_702] as const

const kubeconfig = process.env['CONTROL_PLANE'] ?? ''
const cluster: Kubernetes = kubernetes(kubeconfig)
let replicas: (Program | undefined)[] = []

/** An address of this machine that a Service may point to: the API refuses loopback ones. */
function address(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  const found = all.find(({ family, internal }) => family === 'IPv4' && !internal)
  if (found === undefined) throw new Error('this machine has no address but loopback')
  return found.address
}

async function startReplica(index: 0 | 1): Promise<Program> {
  const token = (await cluster.kubectl(`create token ${NAME} -n conjur --duration=1h`)).trim()
  const admin = await cluster.kubectl('config view --raw -o json')
  const config = JSON.parse(admin)
  config.users = [{ name: 'injector', user: { token } }]
  config.contexts[0].context.user = 'injector'
  const settings = await cluster.get(`configmap ${NAME} -n conjur`)
  const program = startProgram(
    [
      'injector',
      `--config=${scratch('injector.yaml', settings.data['injector.yaml'])}`,
      `--image=${IMAGE}`,
      `--listen=${address()}:${PORTS[index]}`,
      `--status-listen=127.0.0.1:${PORTS[index] + 100}`,
    ],
    {
      KUBECONFIG: scratch('kubeconfig', JSON.stringify(config)),
      HOSTNAME: `replica-${index}`,
      MY_POD_NAME: `replica-${index}`,
      MY_POD_NAMESPACE: 'conjur',
      CONJUR_APPLIANCE_URL: 'https://conjur.example.com',
      CONJUR_ACCOUNT: 'acme',
      CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
    },
  )
  await eventually(`replica ${index} is ready`, async () => {
    if (program.output().includes('"level":"fatal"')) throw new Error(program.output())
    return (await fetch(`http://127.0.0.1:${PORTS[index] + 100}/readyz`)).ok
  }).catch((error: unknown) => {
    throw new Error(program.output(), { cause: error })
  })
  return program
}

/** Has the Service send reviews to these replicas. */
async function point(...indexes: number[]): Promise<void> {
  await cluster.apply(
    ...PORTS.map((port, index) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${NAME}-${index}`,
        namespace: 'conjur',
        labels: { 'kubernetes.io/service-name': NAME },
      },
      addressType: 'IPv4',
      ports: [{ name: 'webhook', port, protocol: 'TCP' }],
      endpoints: indexes.includes(index)
        ? [{ addresses: [address()], conditions: { ready: true } }]
        : [],
    })),
  )
}

let count = 0

function pod(annotations: Record<string, string> = {}, changes: object = {}): Loose {
  const own = { inject: 'true', 'conjur-secrets.db': '- apps/web/db-password', ...annotations }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `web-${++count}`,
      namespace: 'default',
      annotations: Object.fromEntries(
        Object.entries(own).map(([name, value]) => [`conjur.org/${name}`, value]),
      ),
    },
    spec: { containers: [{ name: 'web', image: 'nginx' }] },
    ...changes,
  }
}

async function dryRun(object: Loose): Promise<Loose> {
  const text = await cluster.kubectl('create --dry-run=server -o json -f -', JSON.stringify(object))
  return JSON.parse(text.slice(0, text.lastIndexOf('}') + 1))
}

async function created(object: Loose): Promise<Loose> {
  await cluster.apply(object)
  return cluster.get(`pod ${object.metadata.name} -n ${object.metadata.namespace}`)
}

const statusOf = async (index: 0 | 1): Promise<Loose> =>
  (await fetch(`http://127.0.0.1:${PORTS[index] + 100}/status`)).json()

describe.skipIf(kubeconfig === '')('on a control plane', () => {
  beforeAll(async () => {
    await eventually('the default service account', () => cluster.kubectl('get sa default'))
    const set = ENOUGH.flatMap((value) => ['--set', value])
    await cluster.helm([
      'install',
      'conjur-agent',
      CHART,
      '-n',
      'conjur',
      '--create-namespace',
      ...set,
    ])
    // The chart's Service finds pods; here it shall find processes.
    await cluster.kubectl(
      `patch service ${NAME} -n conjur --type=json -p [{"op":"remove","path":"/spec/selector"}]`,
    )
    replicas = [await startReplica(0), await startReplica(1)]
    await point(0, 1)
    await eventually('a first admission', () => dryRun(pod()))
    await cluster.kubectl('create namespace shop')
  })

  afterAll(async () => {
    for (const replica of replicas) await replica?.stop()
    await cluster.helm(['uninstall', 'conjur-agent', '-n', 'conjur'])
  })

  describe('the chart', () => {
    test('passes helm lint --strict with every example', async () => {
      for (const file of readdirSync(`${CHART}/ci`)) {
        await cluster.helm(['lint', '--strict', CHART, '-f', `${CHART}/ci/${file}`])
      }
    })

    test('every example is accepted by the API server', async () => {
      await cluster.apply(...foreignKinds)
      await eventually('the foreign kinds are served', () =>
        cluster.kubectl('get prometheusrules,certificates'),
      )
      for (const file of readdirSync(`${CHART}/ci`)) {
        const values = ['-f', `${CHART}/ci/${file}`, '--skip-tests']
        const manifests = await cluster.helm([
          'template',
          'x',
          CHART,
          '-n',
          'conjur',
          ...values,
          '--dry-run=server',
        ])
        const said = await cluster.kubectl('apply --dry-run=server -n conjur -f -', manifests)

        expect(said).toContain('mutatingwebhookconfiguration.admissionregistration.k8s.io/')
        if (file.startsWith('monitoring')) expect(said).toContain('prometheusrule')
      }
    })

    test('so is every example of the chart that fills Secrets', async () => {
      for (const file of readdirSync(`${SECRETS_CHART}/ci`)) {
        const values = ['-f', `${SECRETS_CHART}/ci/${file}`, '--skip-tests', '--dry-run=server']
        const manifests = await cluster.helm([
          'template',
          'x',
          SECRETS_CHART,
          '-n',
          'conjur',
          ...values,
        ])
        const said = await cluster.kubectl('apply --dry-run=server -f -', manifests)

        expect(said).toMatch(/^(deployment.apps|job.batch|cronjob.batch)\//m)
        expect(said).toContain('role.rbac.authorization.k8s.io/x-conjur-agent-secrets-conjur-agent')
      }
    })

    test('the injector may do what it must, and nothing else', async () => {
      const who = `--as=system:serviceaccount:conjur:${NAME}`
      const may = async (what: string) =>
        (await cluster.kubectl(`auth can-i ${what} ${who}`).catch(() => 'no')).includes('yes')

      expect(
        await Promise.all(
          [
            `patch secret/${NAME} -n conjur`,
            `patch lease/${NAME} -n conjur`,
            'create events -n shop',
            'list pods -A',
            'get secrets -n conjur',
            'get secrets -n shop',
            'create secrets -n conjur',
            'create pods -n conjur',
            'patch mutatingwebhookconfigurations',
          ].map(may),
        ),
      ).toEqual([true, true, true, true, false, false, false, false, false])
    })
  })

  describe('an opted-in pod', () => {
    test('is stored as a native sidecar that the API server accepts', async () => {
      const { spec, metadata } = await created(pod())

      expect(spec.initContainers).toMatchObject([
        {
          name: 'conjur-agent',
          image: IMAGE,
          restartPolicy: 'Always',
          args: ['sidecar', expect.any(String)],
        },
      ])
      expect(spec.containers[0].volumeMounts).toEqual(
        expect.arrayContaining([
          { name: 'conjur-secrets', mountPath: '/conjur/secrets', readOnly: true },
        ]),
      )
      expect(metadata.labels).toEqual({ 'conjur.org/status': 'injected' })
    })

    test.each(['init', 'both'])('in mode %s is accepted too', async (mode) => {
      const { spec } = await created(pod({ 'container-mode': mode }))

      expect(spec.initContainers).toHaveLength(mode === 'both' ? 2 : 1)
    })

    test('is admitted where Pod Security is restricted', async () => {
      await cluster.apply({
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: {
          name: 'strict',
          labels: { 'pod-security.kubernetes.io/enforce': 'restricted' },
        },
      })
      const container = {
        allowPrivilegeEscalation: false,
        runAsNonRoot: true,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      }
      const object = pod(
        {},
        { spec: { containers: [{ name: 'web', image: 'nginx', securityContext: container }] } },
      )
      object.metadata.namespace = 'strict'

      expect((await created(object)).spec.initContainers).toHaveLength(1)
    })

    test('fits a namespace with ResourceQuota and LimitRange', async () => {
      await cluster.kubectl('create namespace tight')
      await cluster.apply(
        {
          apiVersion: 'v1',
          kind: 'LimitRange',
          metadata: { name: 'limits', namespace: 'tight' },
          spec: {
            limits: [
              {
                type: 'Container',
                default: { cpu: '200m', memory: '128Mi' },
                defaultRequest: { cpu: '10m', memory: '32Mi' },
                max: { cpu: '500m', memory: '256Mi' },
              },
            ],
          },
        },
        {
          apiVersion: 'v1',
          kind: 'ResourceQuota',
          metadata: { name: 'quota', namespace: 'tight' },
          spec: { hard: { 'limits.cpu': '1', 'limits.memory': '1Gi', 'requests.memory': '512Mi' } },
        },
      )
      await eventually(
        'the quota is counted',
        async () => (await cluster.get('quota quota -n tight')).status?.hard !== undefined,
      )
      const object = pod()
      object.metadata.namespace = 'tight'

      expect((await created(object)).spec.initContainers[0].resources.limits).toEqual({
        cpu: '200m',
        memory: '128Mi',
      })
    })

    test('that asks for too much is refused with every reason', async () => {
      const object = pod({ 'container-mode': 'x', 'secret-file-path.db': '../x' })

      await expect(cluster.apply(object)).rejects.toThrow(
        /admission webhook "inject.conjur.org" denied the request: ADMISSION_REFUSED: .*container-mode.*secret-file-path/,
      )
    })

    test('shows its warnings to whoever applies it', async () => {
      const said = await cluster.apply(pod({ 'container-image': 'x' }))

      expect(said).toContain(
        'Warning: conjur.org/container-image is ignored: the administrator decides that',
      )
    })

    test('in the namespaces of the system and the release is not sent at all', async () => {
      const object = pod()
      object.metadata.namespace = 'kube-system'

      expect((await created(object)).spec.initContainers).toBeUndefined()
    })
  })

  test('a refused pod of a Deployment is explained by an Event on its ReplicaSet', async () => {
    const { metadata, spec } = pod({ 'secret-file-format.db': 'xml' })
    const labels = { app: 'refused' }
    const template = { metadata: { annotations: metadata.annotations, labels }, spec }
    await cluster.apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'refused', namespace: 'shop' },
      spec: { replicas: 1, selector: { matchLabels: labels }, template },
    })

    const event = await eventually('the Event', async () => {
      const { items } = await cluster.get('events -n shop')
      return items.find((one: Loose) => one.reason === 'ConjurInjectionRefused')
    })
    expect(event).toMatchObject({
      type: 'Warning',
      involvedObject: { kind: 'ReplicaSet' },
      message: expect.stringContaining('"xml" is not one of'),
    })
  })

  describe('another mutating webhook', () => {
    test.each([
      ['before ours', 'a-other'],
      ['after ours, so that ours is called again', 'z-other'],
    ])('%s changes the same pod', async (_, name) => {
      const ca = await testCa()
      const server = createServer(await ca.issue(), (request, response) => {
        const chunks: Buffer[] = []
        request.on('data', (chunk: Buffer) => chunks.push(chunk))
        request.on('end', () => {
          const { request: review } = JSON.parse(Buffer.concat(chunks).toString())
          const present = review.object.spec.containers.some((one: Loose) => one.name === 'proxy')
          const patch = [
            { op: 'add', path: '/spec/containers/-', value: { name: 'proxy', image: 'proxy' } },
          ]
          response.setHeader('Content-Type', 'application/json')
          response.end(
            JSON.stringify({
              apiVersion: 'admission.k8s.io/v1',
              kind: 'AdmissionReview',
              response: {
                uid: review.uid,
                allowed: true,
                ...(present
                  ? {}
                  : {
                      patchType: 'JSONPatch',
                      patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
                    }),
              },
            }),
          )
        })
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as { port: number }
      await cluster.apply({
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'MutatingWebhookConfiguration',
        metadata: { name },
        webhooks: [
          {
            name: 'other.example.com',
            admissionReviewVersions: ['v1'],
            sideEffects: 'None',
            reinvocationPolicy: 'IfNeeded',
            clientConfig: {
              url: `https://127.0.0.1:${port}/`,
              caBundle: Buffer.from(ca.cert).toString('base64'),
            },
            rules: [
              { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] },
            ],
          },
        ],
      })
      try {
        const admitted = await eventually('both webhooks act', async () => {
          const { spec } = await dryRun(pod())
          return spec.containers.some((one: Loose) => one.name === 'proxy') && spec
        })

        expect(admitted.initContainers).toHaveLength(1)
        expect(admitted.containers.map((one: Loose) => one.name)).toEqual(['web', 'proxy'])
      } finally {
        await cluster.kubectl(`delete mutatingwebhookconfiguration ${name}`)
        server.closeAllConnections()
        server.close()
      }
    })
  })

  describe('the certificate', () => {
    const bundle = async (): Promise<string> => {
      const { webhooks } = await cluster.get(`mutatingwebhookconfiguration ${NAME}`)
      return Buffer.from(webhooks[0].clientConfig.caBundle ?? '', 'base64').toString()
    }

    test('a caBundle edited by hand is repaired', async () => {
      const before = await bundle()
      const foreign = await makeAuthority({ now: Date.now(), days: 1 })
      const caBundle = Buffer.from(foreign.cert).toString('base64')
      await cluster.kubectl(
        `patch mutatingwebhookconfiguration ${NAME} --type=json -p [{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":"${caBundle}"}]`,
      )

      await eventually('the repair', async () => (await bundle()) === before)
      await eventually('pods are admitted again', () => dryRun(pod()))
    })

    test('an expiring leaf is rotated under load without one failed admission', async () => {
      const secret = await cluster.get(`secret ${NAME} -n conjur`)
      const text = (name: string) => Buffer.from(secret.data[name], 'base64').toString()
      const authority = { cert: text('authority.crt'), key: text('authority.key') }
      const names = [`${NAME}.conjur.svc`]
      // Almost over: its end is closer than a third of its life.
      const ending = await makeLeaf(authority, { now: Date.now(), days: 1 / 24 / 60, names })
      const load = new AbortController()
      const outcomes = { admitted: 0, failed: [] as unknown[] }
      const loading = Promise.all(
        [0, 1].map(async () => {
          while (!load.signal.aborted) {
            await dryRun(pod()).then(
              ({ spec }) =>
                spec.initContainers?.length === 1
                  ? outcomes.admitted++
                  : outcomes.failed.push('bare'),
              (error: unknown) => outcomes.failed.push(error),
            )
          }
        }),
      )
      const patch = { stringData: { 'tls.crt': ending.cert, 'tls.key': ending.key } }
      await cluster.kubectl(
        `patch secret ${NAME} -n conjur --type=merge -p ${JSON.stringify(patch).replaceAll(' ', '\\u0020')}`,
      )

      await eventually('both replicas serve a new leaf', async () => {
        const metrics = await Promise.all(
          PORTS.map(async (port) => (await fetch(`http://127.0.0.1:${port + 100}/metrics`)).text()),
        )
        const ends = metrics.map((one) => Number(/kind="leaf"\} (\S+)/.exec(one)?.[1]))
        const served = (await cluster.get(`secret ${NAME} -n conjur`)).data['tls.crt']
        const rotated = Buffer.from(served, 'base64').toString() !== ending.cert
        return rotated && ends.every((at) => at * 1000 > Date.now() + 80 * 24 * 3_600_000)
      })
      load.abort()
      await loading

      expect(outcomes.failed).toEqual([])
      expect(outcomes.admitted).toBeGreaterThan(10)
    })

    test('when the leader is killed the other replica takes over and serves on', async () => {
      const leader = (await statusOf(0)).leads === true ? 0 : 1
      const other = leader === 0 ? 1 : 0
      await replicas[leader]?.stop('SIGKILL')
      await point(other)

      await eventually('admission goes on', () => dryRun(pod()))
      await eventually('the Lease is taken over', async () => (await statusOf(other)).leads)
      replicas[leader] = await startReplica(leader)
      await point(0, 1)
    })
  })

  describe('while no injector is there', () => {
    test('opted-in pods wait, others do not; the audit finds what slipped through', async () => {
      for (const replica of replicas) expect(await replica?.stop()).toBe(0)
      const plain = { ...pod(), metadata: { name: 'plain', namespace: 'shop' } }

      await eventually('opted-in pods are refused', async () =>
        dryRun(pod()).then(
          () => false,
          (error: Error) => error.message.includes('failed calling webhook'),
        ),
      )
      await cluster.apply(plain)

      // A careless administrator lets a pod through.
      const { webhooks } = await cluster.get(`mutatingwebhookconfiguration ${NAME}`)
      const policy = (value: string) =>
        cluster.kubectl(
          `patch mutatingwebhookconfiguration ${NAME} --type=json -p [{"op":"replace","path":"/webhooks/0/failurePolicy","value":"${value}"}]`,
        )
      expect(webhooks[0].failurePolicy).toBe('Fail')
      await policy('Ignore')
      const missed = pod()
      missed.metadata.namespace = 'shop'
      await eventually('the pod gets in', async () => cluster.apply(missed))
      await policy('Fail')

      const audit = startProgram(['inject', '--audit', '--json'], {
        KUBECONFIG: cluster.kubeconfig,
        CONJUR_APPLIANCE_URL: 'https://conjur.example.com',
        CONJUR_ACCOUNT: 'acme',
        CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
      })
      await eventually('the audit', async () => audit.output().includes('\n'))
      expect(await audit.stop()).toBe(8)
      expect(JSON.parse(audit.output()).missed).toContainEqual({
        namespace: 'shop',
        name: missed.metadata.name,
        uid: expect.any(String),
        why: 'it was created while the webhook was not called; delete it to have it made again',
      })
    })
  })
})

/** Kinds of cert-manager and the Prometheus operator, open to any shape, so that the chart can be sent in whole. */
const foreignKinds = [
  ['monitoring.coreos.com', 'v1', 'ServiceMonitor'],
  ['monitoring.coreos.com', 'v1', 'PodMonitor'],
  ['monitoring.coreos.com', 'v1', 'PrometheusRule'],
  ['cert-manager.io', 'v1', 'Issuer'],
  ['cert-manager.io', 'v1', 'Certificate'],
].map(([group, version, kind = '']) => {
  const singular = kind.toLowerCase()
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${singular}s.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, singular, plural: `${singular}s` },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          },
        },
      ],
    },
  }
})
