import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contextWith, IMAGE, pod, reviewed, settingsWith, type Loose } from './pods.ts'

const restricted = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
}

describe('the modes', () => {
  test('sidecar is a native one, first of the init containers, with a startup probe', async () => {
    const { pod: patched } = await reviewed(pod({}, { initContainers: [{ name: 'migrate' }] }))

    const [agent, migrate] = patched.spec.initContainers
    expect(agent).toMatchObject({
      name: 'conjur-agent',
      image: IMAGE,
      restartPolicy: 'Always',
      startupProbe: { exec: { command: ['conjur-agent', 'healthcheck'] }, periodSeconds: 1 },
    })
    expect(agent.args[0]).toBe('sidecar')
    expect(migrate.name).toBe('migrate')
    expect(patched.spec.containers).toHaveLength(1)
  })

  test('init is an init container that ends', async () => {
    const { agent } = await reviewed(pod({ 'container-mode': 'init' }))

    expect(agent.args[0]).toBe('init')
    expect(agent).not.toHaveProperty('restartPolicy')
    expect(agent).not.toHaveProperty('startupProbe')
  })

  test('both is one of each, init first', async () => {
    const { pod: patched } = await reviewed(pod({ 'container-mode': 'Both' }))

    expect(patched.spec.initContainers.map(({ name, args }: Loose) => [name, args[0]])).toEqual([
      ['conjur-agent-init', 'init'],
      ['conjur-agent', 'sidecar'],
    ])
  })

  test('classic sidecars go among the containers where the administrator chose so', async () => {
    const { agent: defaults } = await settingsWith()
    const context = await contextWith({ agent: { ...defaults, containerStyle: 'classic' } })
    const { pod: patched } = await reviewed(pod({ 'container-mode': 'both' }), context)

    expect(patched.spec.initContainers.map(({ name }: Loose) => name)).toEqual([
      'conjur-agent-init',
    ])
    expect(patched.spec.containers.map(({ name }: Loose) => name)).toEqual(['web', 'conjur-agent'])
    expect(patched.spec.containers[1]).not.toHaveProperty('restartPolicy')
  })
})

test('the agent has the seccomp profile that the administrator names, and the rest of the restricted one', async () => {
  const defaults = { ...(await settingsWith()).agent, seccompProfile: 'conjur-agent.json' }
  const { agent } = await reviewed(pod(), await contextWith({ agent: defaults }))

  expect(agent.securityContext).toEqual({
    ...restricted,
    seccompProfile: { type: 'Localhost', localhostProfile: 'conjur-agent.json' },
  })
})

describe('a pod that hibernates', () => {
  const SHELL_IMAGE = 'registry.example.com/conjur-agent:1-hibernate'

  async function hibernating(annotations: Record<string, string> = {}, more: object = {}) {
    const { agent } = await settingsWith()
    const context = await contextWith({ agent: { ...agent, hibernateImage: SHELL_IMAGE, ...more } })
    return reviewed(pod({ idle: 'hibernate', ...annotations }), context)
  }

  test('gets the image with the shell, and a probe that starts no engine', async () => {
    const { agent } = await hibernating()

    expect(agent.image).toBe(SHELL_IMAGE)
    expect(agent.startupProbe).toMatchObject({
      exec: {
        command: [
          'sh',
          '-c',
          `read -r l </conjur/status/agent.json; case $l in *'"ready":true'*) ;; *) exit 1 ;; esac`,
        ],
      },
      periodSeconds: 1,
    })
  })

  test('is refused with the line to write where the administrator has named no such image', async () => {
    const { verdict } = await reviewed(pod({ idle: 'hibernate' }))

    expect(verdict.problems).toEqual([
      'conjur.org/idle: hibernate needs an image with a shell: the administrator names one in agent.hibernateImage of the chart; until then write stay',
    ])
  })

  test('opens no port for metrics: nobody would answer there', async () => {
    const { agent } = await hibernating({}, { metricsPort: 9464 })

    expect(agent).not.toHaveProperty('ports')
    expect(agent.env.map(({ name }: Loose) => name)).not.toContain('CONJUR_METRICS_LISTEN')
  })

  test('may be the usual one, from which a pod can step back', async () => {
    const { agent } = await hibernating({ idle: 'stay' }, { idle: 'hibernate' })

    expect(agent.image).toBe(IMAGE)
    expect(agent.startupProbe.exec.command).toEqual(['conjur-agent', 'healthcheck'])
  })

  test('is the same as any other where it runs once', async () => {
    const { agent } = await hibernating({ 'container-mode': 'init' })

    expect(agent.image).toBe(IMAGE)
  })
})

describe('volumes and mounts', () => {
  test('secrets are in memory with a size limit, read-only for every container of the pod', async () => {
    const { pod: patched } = await reviewed(
      pod({}, { initContainers: [{ name: 'migrate', volumeMounts: [] }] }),
    )

    expect(patched.spec.volumes).toContainEqual({
      name: 'conjur-secrets',
      emptyDir: { medium: 'Memory', sizeLimit: '16Mi' },
    })
    for (const container of [patched.spec.initContainers[1], patched.spec.containers[0]]) {
      expect(container.volumeMounts).toEqual([
        { name: 'conjur-secrets', mountPath: '/conjur/secrets', readOnly: true },
        { name: 'conjur-status', mountPath: '/conjur/status' },
        { name: 'conjur-access-token', mountPath: '/run/conjur', readOnly: true },
      ])
    }
  })

  test("the projected token has the administrator's audience and is the agent's alone", async () => {
    const context = await contextWith({ token: { audience: 'vault-7', expirationSeconds: 900 } })
    const { pod: patched, agent } = await reviewed(pod(), context)

    expect(patched.spec.volumes).toContainEqual({
      name: 'conjur-platform-token',
      projected: {
        sources: [
          {
            serviceAccountToken: { audience: 'vault-7', expirationSeconds: 900, path: 'token' },
          },
        ],
      },
    })
    expect(agent.volumeMounts).toContainEqual({
      name: 'conjur-platform-token',
      mountPath: '/var/run/secrets/conjur.org',
      readOnly: true,
    })
    expect(JSON.stringify(patched.spec.containers)).not.toContain('conjur-platform-token')
  })

  test('a list of containers gets the mounts, and no other', async () => {
    const { pod: patched } = await reviewed(
      pod(
        { 'conjur-inject-volumes': 'web, migrate' },
        {
          containers: [{ name: 'web' }, { name: 'proxy' }],
          initContainers: [{ name: 'setup' }, { name: 'migrate' }],
        },
      ),
    )

    expect(patched.spec.containers[1]).toEqual({ name: 'proxy' })
    expect(patched.spec.initContainers[1]).toEqual({ name: 'setup' })
    expect(patched.spec.containers[0].volumeMounts).toHaveLength(3)
    expect(patched.spec.initContainers[2].volumeMounts).toHaveLength(3)
  })

  test('the access token stays away from the application where it is not wanted', async () => {
    const { pod: patched, agent } = await reviewed(pod({ 'access-token': 'false' }))

    expect(JSON.stringify(patched.spec.containers)).not.toContain('conjur-access-token')
    expect(agent.volumeMounts).toContainEqual({
      name: 'conjur-access-token',
      mountPath: '/run/conjur',
    })
  })

  test('a volume of templates that the pod brings reaches the agent', async () => {
    const volumes = [{ name: 'conjur-templates', configMap: { name: 'templates' } }]
    const { verdict, agent } = await reviewed(
      pod({ 'secret-file-format.db': 'template' }, { volumes }),
    )

    expect(verdict.outcome).toBe('injected')
    expect(agent.volumeMounts).toContainEqual({
      name: 'conjur-templates',
      mountPath: '/conjur/templates',
      readOnly: true,
    })
  })

  test.each([
    [
      'a volume of the same name',
      { volumes: [{ name: 'conjur-secrets', emptyDir: {} }] },
      'the pod has a volume conjur-secrets already; the injector brings its own, remove it',
    ],
    [
      'a mount at the same path',
      {
        containers: [{ name: 'web', volumeMounts: [{ name: 'x', mountPath: '/conjur/secrets/' }] }],
      },
      "container web mounts x at /conjur/secrets, where the agent's files go",
    ],
    [
      'a mount inside',
      { containers: [{ name: 'web', volumeMounts: [{ name: 'x', mountPath: '/run/conjur/x' }] }] },
      "container web mounts x at /run/conjur/x, inside /run/conjur, where the agent's files go",
    ],
    [
      'a container of the same name',
      { containers: [{ name: 'conjur-agent' }] },
      'the pod has a container conjur-agent already; remove it or set conjur.org/container-name to another name',
    ],
  ])('%s is refused with a reason', async (_, spec, why) => {
    const { verdict } = await reviewed(pod({}, spec))

    expect(verdict).toMatchObject({ outcome: 'refused', reason: 'conflict', problems: [why] })
  })

  test('a mount that the pod wrote itself is kept', async () => {
    const mount = { name: 'conjur-secrets', mountPath: '/conjur/secrets', readOnly: true }
    const { pod: patched } = await reviewed(
      pod({}, { containers: [{ name: 'web', volumeMounts: [mount] }] }),
    )

    expect(patched.spec.containers[0].volumeMounts.slice(0, 1)).toEqual([mount])
    expect(patched.spec.containers[0].volumeMounts).toHaveLength(3)
  })
})

describe('the security context', () => {
  test("is the whole restricted profile, whatever the pod's own says", async () => {
    const { agent } = await reviewed(
      pod({}, { securityContext: { runAsNonRoot: false, runAsUser: 1234 } }),
    )

    expect(agent.securityContext).toEqual(restricted)
  })

  test('names a uid where the pod says 0', async () => {
    const { agent } = await reviewed(pod({}, { securityContext: { runAsUser: 0 } }))

    expect(agent.securityContext).toEqual({ ...restricted, runAsUser: 65532 })
  })

  test('the host network costs the agent its ports', async () => {
    const { agent: defaults } = await settingsWith()
    const context = await contextWith({ agent: { ...defaults, metricsPort: 9464 } })
    const usual = await reviewed(pod(), context)
    const host = await reviewed(pod({}, { hostNetwork: true }), context)

    expect(usual.agent.ports).toEqual([
      { name: 'conjur-metrics', containerPort: 9464, protocol: 'TCP' },
    ])
    expect(host.agent).not.toHaveProperty('ports')
    expect(host.agent.env).toContainEqual({ name: 'CONJUR_STATUS_LISTEN', value: 'off' })
  })
})

describe('exec wrapping', () => {
  const wrapped = { 'exec-containers': 'web' }
  const containers = [{ name: 'web', command: ['/bin/app', '--port=80'], args: ['serve'] }]

  test('puts the agent before the command, and nothing into a file', async () => {
    const { verdict, pod: patched } = await reviewed(pod(wrapped, { containers }))

    const [web] = patched.spec.containers
    expect(verdict).toMatchObject({ outcome: 'injected', reason: 'exec' })
    expect(web.command).toEqual([
      'conjur-agent',
      'exec',
      '--jwt-token-path=/var/run/secrets/conjur.org/token',
      '--',
      '/bin/app',
      '--port=80',
    ])
    expect(web.args).toEqual(['serve'])
    expect(web.env).toContainEqual({ name: 'CONJUR_ACCOUNT', value: 'acme' })
    expect(web.volumeMounts.map(({ mountPath }: Loose) => mountPath)).toEqual([
      '/conjur/podinfo',
      '/var/run/secrets/conjur.org',
    ])
    expect(patched.spec).not.toHaveProperty('initContainers')
    expect(patched.spec.volumes).toHaveLength(2)
  })

  test('changes nothing the second time', async () => {
    const first = await reviewed(pod(wrapped, { containers }))
    const { verdict } = await reviewed(first.pod)

    expect(verdict).toMatchObject({ reason: 'already-injected', patch: [] })
  })

  test('stands beside an agent where the pod names a mode too', async () => {
    const both = { ...wrapped, 'container-mode': 'sidecar', 'container-name': 'agent' }
    const { pod: patched } = await reviewed(pod(both, { containers }))

    expect(patched.spec.initContainers.map(({ name }: Loose) => name)).toEqual(['agent'])
    expect(patched.spec.containers[0].command[0]).toBe('conjur-agent')
  })

  test.each([
    [
      'a command that only the image knows',
      { containers: [{ name: 'web' }] },
      'container web names no command to wrap; write the one of its image',
    ],
    ['a container that is not there', { containers: [] }, 'the pod has no container web'],
    [
      "a variable of the administrator's",
      { containers: [{ ...containers[0], env: [{ name: 'CONJUR_APPLIANCE_URL', value: 'x' }] }] },
      'container web sets CONJUR_APPLIANCE_URL, which the administrator sets; remove it',
    ],
  ])('refuses %s', async (_, spec, why) => {
    const { verdict } = await reviewed(pod(wrapped, spec))

    expect(verdict.problems).toEqual([`conjur.org/exec-containers: ${why}`])
  })
})

describe('Azure workload identity', () => {
  const labels = { 'azure.workload.identity/use': 'true' }
  const token = '/var/run/secrets/azure/wi/token/azure-identity-token'
  const azureEnv = [
    { name: 'AZURE_CLIENT_ID', value: 'c' },
    { name: 'AZURE_TENANT_ID', value: 't' },
    { name: 'AZURE_FEDERATED_TOKEN_FILE', value: token },
    { name: 'AZURE_AUTHORITY_HOST', value: 'https://login.microsoftonline.com/' },
  ]
  const azureMount = {
    name: 'azure-identity-token',
    mountPath: '/var/run/secrets/azure/wi/token',
    readOnly: true,
  }

  /** What Azure's webhook does: adds what a container has not. */
  function azure(object: Loose, lists: ('containers' | 'initContainers')[]): Loose {
    const mutated = structuredClone(object)
    mutated.spec.volumes ??= []
    if (!mutated.spec.volumes.some(({ name }: Loose) => name === azureMount.name)) {
      mutated.spec.volumes.push({ name: azureMount.name, projected: { sources: [] } })
    }
    for (const container of lists.flatMap((list) => mutated.spec[list] ?? [])) {
      container.env ??= []
      container.volumeMounts ??= []
      for (const variable of azureEnv) {
        if (!container.env.some(({ name }: Loose) => name === variable.name)) {
          container.env.push(variable)
        }
      }
      if (!container.volumeMounts.some(({ name }: Loose) => name === azureMount.name)) {
        container.volumeMounts.push(azureMount)
      }
    }
    return mutated
  }

  const azureParts = (agent: Loose) => [
    agent.env.filter(({ name }: Loose) => name.startsWith('AZURE_')),
    agent.volumeMounts.filter(({ name }: Loose) => name === azureMount.name),
  ]

  test.each([
    ['before ours', async (object: Loose) => (await reviewed(azure(object, ['containers']))).pod],
    [
      'after ours',
      async (object: Loose) =>
        azure((await reviewed(object)).pod, ['containers', 'initContainers']),
    ],
    [
      'before ours and reinvoked',
      async (object: Loose) =>
        azure((await reviewed(azure(object, ['containers']))).pod, [
          'containers',
          'initContainers',
        ]),
    ],
    [
      'after ours, for containers only, and ours reinvoked',
      async (object: Loose) =>
        (await reviewed(azure((await reviewed(object)).pod, ['containers']))).pod,
    ],
    [
      'after ours, and ours reinvoked',
      async (object: Loose) => {
        const mutated = azure((await reviewed(object)).pod, ['containers', 'initContainers'])
        return (await reviewed(mutated)).pod
      },
    ],
  ])("Azure's webhook %s: its parts reach the agent exactly once", async (_, admit) => {
    const admitted = await admit(pod({}, {}, { labels }))

    expect(azureParts(admitted.spec.initContainers[0])).toEqual([azureEnv, [azureMount]])
  })

  test('a labelled pod gets the authenticator that is set for it', async () => {
    const { conjur } = await settingsWith()
    const context = await contextWith({
      conjur: {
        ...conjur,
        workloadIdentity: {
          authenticator: 'authn-azure/prod',
          environment: [
            ...conjur.environment.filter(({ name }) => name !== 'CONJUR_AUTHENTICATOR'),
            { name: 'CONJUR_AUTHENTICATOR', value: 'authn-azure/prod' },
          ],
        },
      },
    })
    const own = { 'authn-identity': 'host/apps/web' }
    const labelled = await reviewed(pod(own, {}, { labels }), context)
    const other = await reviewed(pod(own), context)
    const env = (agent: Loose, name: string) =>
      agent.env.find((one: Loose) => one.name === name)?.value

    expect(env(labelled.agent, 'CONJUR_AUTHENTICATOR')).toBe('authn-azure/prod')
    expect(env(labelled.agent, 'CONJUR_IDENTITY_SOURCE')).toBe('azure-workload-identity')
    expect(env(other.agent, 'CONJUR_AUTHENTICATOR')).toBe('authn-jwt/prod')
    expect(env(other.agent, 'CONJUR_IDENTITY_SOURCE')).toBeUndefined()
  })
})

test('the rest of any pod stays as it was, and a second pass changes nothing', async () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}[a-z0-9]$/)
  const mounts = fc.array(fc.record({ name, mountPath: name.map((path) => `/data/${path}`) }), {
    maxLength: 3,
  })
  const container = fc.record(
    {
      name,
      image: name,
      env: fc.option(fc.array(fc.record({ name: fc.string(), value: fc.string() }))),
      volumeMounts: fc.option(mounts),
      'x/y~z': fc.json(),
    },
    { requiredKeys: ['name'] },
  )
  const spec = fc.record(
    {
      containers: fc.uniqueArray(container, { selector: (one) => one.name, maxLength: 4 }),
      initContainers: fc.option(
        fc.uniqueArray(container, { selector: (one) => `i${one.name}`, maxLength: 3 }),
      ),
      volumes: fc.option(fc.uniqueArray(fc.record({ name }), { selector: (one) => one.name })),
      nodeName: fc.string(),
    },
    { requiredKeys: ['containers'] },
  )
  const context = await contextWith()
  await fc.assert(
    fc.asyncProperty(spec, fc.constantFrom('sidecar', 'init', 'both'), async (given, mode) => {
      const object = pod({ 'container-mode': mode }, given)
      const first = await reviewed(object, context)
      const second = await reviewed(first.pod, context)
      const stripped = structuredClone(first.pod)
      const ours = (one: Loose) => String(one.name).startsWith('conjur-')
      const without = (list: Loose[] | null | undefined) => (list ?? []).filter((one) => !ours(one))
      stripped.spec.volumes = without(stripped.spec.volumes)
      stripped.spec.initContainers = without(stripped.spec.initContainers)
      for (const one of [...stripped.spec.initContainers, ...stripped.spec.containers]) {
        one.volumeMounts = without(one.volumeMounts)
      }
      const expected = structuredClone(object)
      expected.spec.volumes ??= []
      expected.spec.initContainers ??= []
      for (const one of [...expected.spec.initContainers, ...expected.spec.containers]) {
        one.volumeMounts ??= []
      }

      expect(first.verdict.outcome).toBe('injected')
      expect(stripped.spec).toEqual(expected.spec)
      expect(second.verdict.patch).toEqual([])
    }),
    { numRuns: 60 },
  )
})
