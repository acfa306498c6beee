import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { CHART } from '../support/helm.ts'
import {
  eventually,
  kubernetes,
  scratch,
  startProgram,
  testbed,
  type Kubernetes,
  type Loose,
  type Program,
} from './kubernetes.ts'

/*
 * A whole node: the project's own image, the chart installed by Helm, real pods with real projected
 * tokens, memory volumes and probes. Conjur is the devserver on this machine, which verifies those
 * tokens against the cluster's own keys.
 */

const run = mkdtempSync(join(tmpdir(), 'conjur-agent-cluster-'))
const HOST = '10.98.0.1'
const PORT = 18_900
const ADMIN_KEY = '3ahcddy39rcxzh3ggac4cwk3j2r8pqwdg33059y835ys2rh2kzs2a'
const archives = ['pause.tar', 'agent.tar', 'hibernate.tar', 'executable.tar', 'busybox.tar'].map(
  (name) => join(run, name),
)
const WITH_SHELL = 'localhost/conjur-agent:test-hibernate'
const WITHOUT_NODE = 'localhost/conjur-agent:test-executable'
let cluster: Kubernetes
let conjur: Program
let ca = ''

beforeAll(async () => {
  const [pause = '', agent = '', hibernate = '', executable = '', busybox = ''] = archives
  await testbed('image.sh', ['base'], run)
  await testbed('image.sh', ['pause', pause], run)
  const certificates = 'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt'
  const built = ['.', 'localhost/conjur-agent:test', agent, '--build-arg', certificates]
  await testbed('image.sh', ['build', ...built], run)
  await testbed('image.sh', ['busybox', busybox], run)
  const shell = [
    '--target',
    'hibernate',
    '--build-arg',
    'SHELL_IMAGE=docker.io/library/busybox:1.37',
  ]
  const slept = ['.', WITH_SHELL, hibernate, '--build-arg', certificates, ...shell]
  await testbed('image.sh', ['build', ...slept], run)
  const compiled = ['.', WITHOUT_NODE, executable, '--build-arg', certificates]
  await testbed('image.sh', ['build', ...compiled, '--target', 'executable'], run)
  await testbed('cluster.sh', ['up', pause, agent, hibernate, executable], run)
  cluster = kubernetes(join(run, 'admin.kubeconfig'))
  conjur = await startConjur()
  await cluster.helm([
    'install',
    'conjur-agent',
    CHART,
    '-n',
    'conjur',
    '--create-namespace',
    '--wait',
    '--timeout=120s',
    '-f',
    scratch('values.yaml', JSON.stringify(values())),
  ])
  for (const namespace of ['shop', 'strict']) await cluster.kubectl(`create namespace ${namespace}`)
  await cluster.kubectl('label namespace strict pod-security.kubernetes.io/enforce=restricted')
}, 600_000)

afterAll(async () => {
  await conjur?.stop()
  await testbed('cluster.sh', ['down'], run)
  // The logs stay for whoever looks into a failure; images are large.
  for (const archive of archives) rmSync(archive, { force: true })
}, 60_000)

function values(changes: object = {}): object {
  return {
    conjur: {
      applianceUrl: `https://${HOST}:${PORT}`,
      account: 'acme',
      authenticator: 'authn-jwt/prod',
      sslCertificate: ca,
      loginTemplate: 'host/apps/{serviceAccount}',
    },
    image: { registry: 'localhost', repository: 'conjur-agent', tag: 'test', pullPolicy: 'Never' },
    agent: { refreshInterval: '1s', hibernateImage: WITH_SHELL },
    injector: { audit: { interval: '2s' } },
    ...changes,
  }
}

const POLICY = `
- !policy
  id: conjur/authn-jwt/prod
  body:
    - !webservice
    - !variable public-keys
    - !variable issuer
    - !variable audience
    - !group clients
    - !permit { role: !group clients, privilege: [read, authenticate], resource: !webservice }
    - !webservice status
- !policy
  id: apps
  body:
    - &variables
      - !variable password
      - !variable user
    - !group readers
    - !permit { role: !group readers, privilege: [read, execute], resources: *variables }
    - !host
      id: default
      annotations:
        authn-jwt/prod/kubernetes.io/serviceaccount/name: default
    - !host
      id: web
      annotations:
        authn-jwt/prod/kubernetes.io/serviceaccount/name: default
- !grant { role: !group conjur/authn-jwt/prod/clients, members: [!host apps/default, !host apps/web] }
- !grant { role: !group apps/readers, members: [!host apps/default, !host apps/web] }
`

async function startConjur(): Promise<Program> {
  const keys = JSON.parse(await cluster.kubectl('get --raw /openid/v1/jwks'))
  const discovery = JSON.parse(await cluster.kubectl('get --raw /.well-known/openid-configuration'))
  const start = {
    'conjur/authn-jwt/prod/public-keys': JSON.stringify({ type: 'jwks', value: keys }),
    'conjur/authn-jwt/prod/issuer': discovery.issuer,
    'conjur/authn-jwt/prod/audience': 'conjur',
    'apps/password': 'first',
    'apps/user': 'shop',
  }
  const caFile = join(run, 'conjur-ca.pem')
  const program = startProgram(
    [
      'devserver',
      `--listen=${HOST}:${PORT}`,
      '--allow-remote',
      '--account=acme',
      `--policy=${scratch('policy.yml', POLICY)}`,
      `--values=${scratch('values.json', JSON.stringify(start))}`,
      `--ca-out=${caFile}`,
      `--admin-api-key=${ADMIN_KEY}`,
      '--token-ttl=60s',
      '--explain',
    ],
    {},
  )
  await eventually('the devserver', async () => {
    if (existsSync(caFile)) ca = readFileSync(caFile, 'utf8')
    return ca !== ''
  }).catch((error: unknown) => {
    throw new Error(program.output(), { cause: error })
  })
  return program
}

/** Someone changes a variable in Conjur. */
async function setVariable(id: string, value: string): Promise<void> {
  const { Agent, request } = await import('undici')
  const dispatcher = new Agent({ connect: { ca } })
  const base = `https://${HOST}:${PORT}`
  const login = await request(`${base}/authn/acme/admin/authenticate`, {
    method: 'POST',
    body: ADMIN_KEY,
    dispatcher,
  })
  const token = Buffer.from(await login.body.text()).toString('base64')
  const { statusCode } = await request(`${base}/secrets/acme/variable/${encodeURIComponent(id)}`, {
    method: 'POST',
    body: value,
    headers: { authorization: `Token token="${token}"` },
    dispatcher,
  })
  await dispatcher.close()
  expect(statusCode).toBe(201)
}

const GROUP = {
  'conjur-secrets.db': '- password: apps/password\n- user: apps/user\n',
  'secret-file-format.db': 'json',
}

/** The application: Node of the agent's own image, as there is no other in this cluster. */
function application(script: string): object {
  return {
    name: 'web',
    image: 'localhost/conjur-agent:test',
    imagePullPolicy: 'Never',
    command: ['/nodejs/bin/node', '-e', script],
    securityContext: {
      allowPrivilegeEscalation: false,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  }
}

const PRINT = 'console.log(require("fs").readFileSync("/conjur/secrets/db.json","utf8"))'
const STAY = `${PRINT}; setInterval(()=>{},1000); process.on("SIGTERM",()=>process.exit())`

function pod(
  name: string,
  changes: { annotations?: object; spec?: object; namespace?: string; script?: string } = {},
): Loose {
  const own = { inject: 'true', ...GROUP, ...changes.annotations }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: changes.namespace ?? 'shop',
      annotations: Object.fromEntries(
        Object.entries(own).map(([key, value]) => [`conjur.org/${key}`, value]),
      ),
    },
    spec: {
      restartPolicy: 'Never',
      containers: [application(changes.script ?? STAY)],
      ...changes.spec,
    },
  }
}

async function logs(name: string, container = 'web', namespace = 'shop'): Promise<string> {
  return cluster.kubectl(`logs ${name} -n ${namespace} -c ${container}`)
}

/** Runs a line of JavaScript in the application's container. */
async function inside(name: string, script: string): Promise<string> {
  return (
    await cluster.kubectl(
      `exec ${name} -n shop -c web -- /nodejs/bin/node -p ${script.replaceAll(' ', '')}`,
    )
  ).trim()
}

async function phase(name: string, wanted: string, namespace = 'shop'): Promise<Loose> {
  return eventually(`${name} is ${wanted}`, async () => {
    const object = await cluster.get(`pod ${name} -n ${namespace}`)
    return object.status.phase === wanted && object
  }).catch(async (error: unknown) => {
    const said = await cluster.kubectl(`describe pod ${name} -n ${namespace}`)
    const agent = await logs(name, 'conjur-agent', namespace).catch(String)
    throw new Error(`${said}\n${agent}`, { cause: error })
  })
}

const FIRST = '{"password":"first","user":"shop"}'

describe('an application that opts in', () => {
  test('starts only after the first set, and finds it', async () => {
    await cluster.apply(pod('sidecar'))
    const { status } = await phase('sidecar', 'Running')

    const [agent] = status.initContainerStatuses
    const [web] = status.containerStatuses
    expect(agent.started).toBe(true)
    expect(Date.parse(web.state.running.startedAt)).toBeGreaterThanOrEqual(
      Date.parse(agent.state.running.startedAt),
    )
    await eventually('its first line', async () => (await logs('sidecar')).includes(FIRST))
  })

  test('reads from memory, and cannot write there', async () => {
    const mounts = await inside('sidecar', `require("fs").readFileSync("/proc/mounts","utf8")`)

    expect(mounts).toMatch(/^tmpfs \/conjur\/secrets tmpfs ro,.*size=16384k/m)
    expect(mounts).toMatch(/^tmpfs \/run\/conjur tmpfs ro,/m)
    expect(mounts).not.toContain('/var/run/secrets/conjur.org')
  })

  test('sees a rotation while it runs', async () => {
    await setVariable('apps/password', 'second')

    await eventually('the new value', async () =>
      (
        await inside('sidecar', 'require("fs").readFileSync("/conjur/secrets/db.json","utf8")')
      ).includes('second'),
    )
    await setVariable('apps/password', 'first')
  })

  test('has an access token that is renewed', async () => {
    const read = () =>
      inside('sidecar', 'require("fs").readFileSync("/run/conjur/access-token","utf8")')
    const before = await read()

    await eventually('another token', async () => (await read()) !== before, 90)
  })

  test('goes, and the agent with it, within its grace', async () => {
    const startedAt = Date.now()
    await cluster.kubectl('delete pod sidecar -n shop --wait=true')

    expect(Date.now() - startedAt).toBeLessThan(10_000)
  })

  test.each(['init', 'both'])('may ask for mode %s', async (mode) => {
    await cluster.apply(
      pod(`mode-${mode}`, { annotations: { 'container-mode': mode }, script: PRINT }),
    )
    await phase(`mode-${mode}`, 'Succeeded')

    expect(await logs(`mode-${mode}`)).toContain('"user":"shop"')
  })

  test('logs in once in mode both', async () => {
    expect(await logs('mode-both', 'conjur-agent-init')).toContain('"LOGGED_IN"')
    expect(await logs('mode-both', 'conjur-agent')).toContain('"TOKEN_TAKEN_OVER"')
  })

  test('may hibernate: a shell sleeps between passes, wakes by time and by signal, and ends in time', async () => {
    const annotations = { idle: 'hibernate', 'secrets-refresh-interval': '20s' }
    await cluster.apply(pod('asleep', { annotations }))
    await phase('asleep', 'Running')
    const file = 'require("fs").readFileSync("/conjur/secrets/db.json","utf8")'
    const agent = (line: string): Promise<string> =>
      cluster.kubectl([
        'exec',
        'asleep',
        '-n',
        'shop',
        '-c',
        'conjur-agent',
        '--',
        'sh',
        '-c',
        line,
      ])
    const names = 'for p in /proc/[0-9]*; do read -r n <$p/comm && echo $n; done'

    await eventually('it sleeps', async () => {
      const running = (await agent(names)).trim().split('\n').toSorted()
      return running.includes('sleep') && !running.includes('node')
    })
    await setVariable('apps/password', 'by time')
    await eventually('the new value', async () =>
      (await inside('asleep', file)).includes('by time'),
    )
    await setVariable('apps/password', 'by signal')
    await agent('kill -HUP 1')
    await eventually('the newer', async () => (await inside('asleep', file)).includes('by signal'))
    await setVariable('apps/password', 'first')
    const startedAt = Date.now()
    await cluster.kubectl('delete pod asleep -n shop --wait=true')

    expect(Date.now() - startedAt).toBeLessThan(10_000)
  })

  test('may be a Job, and completes', async () => {
    const { metadata, spec } = pod('x', { script: PRINT })
    const template = { metadata: { annotations: metadata.annotations }, spec }
    await cluster.apply(
      {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: 'once', namespace: 'shop' },
        spec: { template },
      },
      {
        apiVersion: 'batch/v1',
        kind: 'CronJob',
        metadata: { name: 'often', namespace: 'shop' },
        spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: { template } } },
      },
    )
    await cluster.kubectl('create job often-now -n shop --from=cronjob/often')

    await cluster.kubectl(
      'wait job/once job/often-now -n shop --for=condition=complete --timeout=60s',
    )
  })

  test('runs where Pod Security is restricted, with any uid', async () => {
    await cluster.apply(
      pod('restricted', {
        namespace: 'strict',
        script: PRINT,
        spec: {
          securityContext: { runAsUser: 1_000_660_000, runAsGroup: 0, fsGroup: 1_000_660_000 },
        },
      }),
    )
    await phase('restricted', 'Succeeded', 'strict')

    expect(await logs('restricted', 'web', 'strict')).toContain('"user":"shop"')
  })

  test('is one of a hundred that start at once', async () => {
    const { metadata, spec } = pod('x', { script: PRINT })
    await cluster.apply({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'many', namespace: 'shop' },
      spec: {
        completions: 100,
        parallelism: 100,
        template: { metadata: { annotations: metadata.annotations }, spec },
      },
    })

    await cluster.kubectl('wait job/many -n shop --for=condition=complete --timeout=300s')
  }, 320_000)
})

test.each([
  ['the image', 'plain', 'localhost/conjur-agent:test'],
  ['the executable', 'compiled', WITHOUT_NODE],
])(
  'the manifests of deploy/kubernetes bring their secrets without the injector, by %s',
  async (_by, namespace, image) => {
    const text = (await cluster.kubectl('kustomize deploy/kubernetes'))
      .replaceAll('https://conjur.example.com', `https://${HOST}:${PORT}`)
      .replaceAll(/image: ghcr.io\S+/g, `image: ${image}`)
      .replaceAll('apps/web/db-password', 'password: apps/password')
      .replaceAll('apps/web/db-user', 'user: apps/user')
    const objects = parseAllDocuments(text).map((document) => document.toJS())
    for (const { kind, data, spec } of objects) {
      if (kind === 'ConfigMap') data.CONJUR_SSL_CERTIFICATE = ca
      else
        Object.assign(spec.template.spec.containers[0], application(kind === 'Job' ? PRINT : STAY))
    }
    await cluster.kubectl(`create namespace ${namespace}`)
    await cluster.kubectl(
      `apply -n ${namespace} -f -`,
      objects.map((one) => JSON.stringify(one)).join('\n---\n'),
    )

    await cluster.kubectl(`wait job/report -n ${namespace} --for=condition=complete --timeout=90s`)
    await cluster.kubectl(`rollout status deployment/web -n ${namespace} --timeout=90s`)
    expect(await cluster.kubectl(`logs job/report -n ${namespace} -c web`)).toContain(FIRST)
    expect(await cluster.kubectl(`logs deployment/web -n ${namespace} -c web`)).toContain(FIRST)
  },
  200_000,
)

test('Kubernetes Secrets are filled, and keys of others stay', async () => {
  await cluster.kubectl('create namespace filled')
  const rule = {
    apiGroups: [''],
    resources: ['secrets'],
    verbs: ['get', 'list', 'patch', 'update'],
  }
  const name = 'conjur-agent'
  await cluster.apply(
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name, namespace: 'filled' },
      rules: [rule, { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] }],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name, namespace: 'filled' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'filled' }],
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'db', namespace: 'filled' },
      stringData: { 'conjur-map': 'password: apps/password\n', foreign: 'stays' },
    },
  )
  const object = pod('filler', {
    namespace: 'filled',
    script: '0',
    annotations: {
      'container-mode': 'init',
      'secrets-destination': 'k8s_secrets',
      'k8s-secrets': '- db',
    },
  })
  for (const key of ['conjur-secrets.db', 'secret-file-format.db']) {
    delete object.metadata.annotations[`conjur.org/${key}`]
  }
  await cluster.apply(object)
  await phase('filler', 'Succeeded', 'filled')

  const { data } = await cluster.get('secret db -n filled')
  expect(Buffer.from(data.password, 'base64').toString()).toBe('first')
  expect(Buffer.from(data.foreign, 'base64').toString()).toBe('stays')
})

test('a wrapped command finds its values in its environment, and no file', async () => {
  await cluster.apply(
    pod('wrapped', {
      annotations: { 'exec-containers': 'web' },
      script: 'console.log(process.env.PASSWORD, require("fs").existsSync("/conjur/secrets"))',
    }),
  )
  await phase('wrapped', 'Succeeded')

  expect(await logs('wrapped')).toContain('first false')
})

test("a manifest of the incumbent's runs with the image swapped", async () => {
  const field = (path: string) => ({ valueFrom: { fieldRef: { fieldPath: path } } })
  const volumes = [
    {
      name: 'podinfo',
      downwardAPI: {
        items: [{ path: 'annotations', fieldRef: { fieldPath: 'metadata.annotations' } }],
      },
    },
    { name: 'conjur-status', emptyDir: { medium: 'Memory' } },
    { name: 'conjur-secrets', emptyDir: { medium: 'Memory' } },
    {
      name: 'jwt-token',
      projected: {
        sources: [
          { serviceAccountToken: { path: 'jwt', expirationSeconds: 6000, audience: 'conjur' } },
        ],
      },
    },
  ]
  const provider = {
    name: 'cyberark-secrets-provider-for-k8s',
    image: 'localhost/conjur-agent:test',
    imagePullPolicy: 'Never',
    env: [
      { name: 'JWT_TOKEN_PATH', value: '/var/run/secrets/tokens/jwt' },
      { name: 'CONTAINER_MODE', value: 'init' },
      { name: 'MY_POD_NAME', ...field('metadata.name') },
      { name: 'MY_POD_NAMESPACE', ...field('metadata.namespace') },
    ],
    envFrom: [{ configMapRef: { name: 'conjur-connect' } }],
    volumeMounts: [
      { name: 'podinfo', mountPath: '/conjur/podinfo' },
      { name: 'conjur-status', mountPath: '/conjur/status' },
      { name: 'conjur-secrets', mountPath: '/conjur/secrets' },
      { name: 'jwt-token', mountPath: '/var/run/secrets/tokens' },
    ],
  }
  const object = pod('incumbent', {
    namespace: 'before',
    script: PRINT,
    annotations: {
      inject: 'false',
      'authn-identity': 'host/apps/web',
      'container-mode': 'init',
      'secrets-destination': 'file',
    },
    spec: { initContainers: [provider], volumes },
  })
  object.spec.containers[0].volumeMounts = [
    { name: 'conjur-secrets', mountPath: '/conjur/secrets' },
  ]
  await cluster.kubectl('create namespace before')
  await cluster.apply(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'conjur-connect', namespace: 'before' },
      data: {
        CONJUR_ACCOUNT: 'acme',
        CONJUR_APPLIANCE_URL: `https://${HOST}:${PORT}`,
        CONJUR_AUTHN_URL: `https://${HOST}:${PORT}/authn-jwt/prod`,
        CONJUR_SSL_CERTIFICATE: ca,
      },
    },
    object,
  )
  await phase('incumbent', 'Succeeded', 'before')

  expect(await logs('incumbent', 'web', 'before')).toContain(FIRST)
})

describe('the release', () => {
  test('passes its own helm test', async () => {
    const said = await cluster.helm(['test', 'conjur-agent', '-n', 'conjur', '--timeout=60s'])

    expect(said).toContain('Phase:          Succeeded')
  })

  test('is upgraded and rolled back while pods are created, and refuses none', async () => {
    const load = new AbortController()
    const failed: unknown[] = []
    let admitted = 0
    const loading = (async () => {
      while (!load.signal.aborted) {
        const object = JSON.stringify(pod(`load-${admitted}`))
        await cluster.kubectl('create --dry-run=server -o name -f -', object).then(
          () => admitted++,
          (error: unknown) => failed.push(error),
        )
      }
    })()
    const file = scratch(
      'upgrade.yaml',
      JSON.stringify(values({ agent: { refreshInterval: '2s' } })),
    )
    const wait = ['-n', 'conjur', '--wait', '--timeout=120s']
    await cluster.helm(['upgrade', 'conjur-agent', CHART, '-f', file, ...wait])
    await cluster.helm(['rollback', 'conjur-agent', '1', ...wait])
    load.abort()
    await loading

    expect(failed).toEqual([])
    expect(admitted).toBeGreaterThan(10)
  }, 300_000)

  test('may give pods the executable, which serves them as the image does', async () => {
    const agent = { refreshInterval: '1s', image: WITHOUT_NODE }
    const file = scratch('executable.yaml', JSON.stringify(values({ agent })))
    const wait = ['-n', 'conjur', '--wait', '--timeout=120s']
    await cluster.helm(['upgrade', 'conjur-agent', CHART, '-f', file, ...wait])

    await cluster.apply(pod('compiled'))
    const { status } = await phase('compiled', 'Running')
    await setVariable('apps/password', 'by the executable')

    expect(status.initContainerStatuses[0].image).toBe(WITHOUT_NODE)
    const read = 'require("fs").readFileSync("/conjur/secrets/db.json","utf8")'
    await eventually('the new value', async () =>
      (await inside('compiled', read)).includes('by the executable'),
    )
    await cluster.kubectl('delete pod compiled -n shop --wait=true')
  }, 200_000)

  test('goes without a trace that would stop pods', async () => {
    await cluster.helm(['uninstall', 'conjur-agent', '-n', 'conjur', '--wait'])

    expect(await cluster.kubectl('get mutatingwebhookconfigurations -o name')).not.toContain(
      'conjur',
    )
    expect(await cluster.kubectl('get secrets,leases -n conjur -o name')).not.toContain('injector')
  })
})
