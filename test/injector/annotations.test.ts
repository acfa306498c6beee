import { describe, expect, test } from 'vitest'
import { contextWith, pod, reviewed, settingsWith, type Loose } from './pods.ts'

async function refusal(annotations: Record<string, string | undefined>, spec: object = {}) {
  const { verdict } = await reviewed(pod(annotations, spec))
  expect(verdict).toMatchObject({ outcome: 'refused', patch: [] })
  return verdict.problems
}

describe('P6: nothing is silent', () => {
  test('every problem of a pod comes back in one message', async () => {
    const problems = await refusal({
      'conjur-secrets.db': 'not a list',
      'secret-file-path.db': '../../etc/passwd',
      'secret-file-format.db': 'xml',
      'secrets-refresh-interval': 'soon',
      'container-mode': 'standalone',
      'container-name': 'Not_A_Name',
      'conjur-inject-volumes': 'web,nowhere',
      'conjur-secret.api': '- x',
      'retry-count-limit': 'many',
    })

    expect(problems.toSorted()).toEqual([
      "conjur.org/conjur-inject-volumes names nowhere; the pod's containers are web",
      'conjur.org/conjur-secret.api: unknown annotation; nearest: conjur.org/conjur-secrets.api',
      'conjur.org/conjur-secrets.db: is no YAML list such as "- apps/web/db-password"',
      'conjur.org/container-mode: "standalone" runs by itself and is not injected; write sidecar, init, both',
      'conjur.org/container-name: "Not_A_Name" is no container name: at most 63 of a-z, 0-9 and -',
      'conjur.org/retry-count-limit: "many" is not a whole number from -1 to 1000000',
      'conjur.org/secret-file-format.db: "xml" is not one of yaml, json, dotenv, bash, properties, plain, template',
      'conjur.org/secret-file-path.db: "../../etc/passwd" has a part that begins with ..; write a path inside the secrets directory',
      'conjur.org/secrets-refresh-interval: "soon" is no duration such as 30s or 5m, nor off',
    ])
  })

  test.each([
    ['secret-file-formt.db', 'conjur.org/secret-file-format.db'],
    ['container-mod', 'conjur.org/container-mode'],
    ['inject-tpye', 'conjur.org/inject-type'],
    ['conjur-secrets', 'conjur.org/conjur-secrets.<group>'],
    ['conjur-secrets.', 'conjur.org/conjur-secrets.<group>'],
  ])('the unknown key %s is refused with the nearest name', async (name, nearest) => {
    const problems = await refusal({ [name]: 'x' })

    expect(problems).toContain(`conjur.org/${name}: unknown annotation; nearest: ${nearest}`)
  })

  test('an unknown key is a warning where the administrator says so', async () => {
    const { annotationPolicy } = await settingsWith()
    const context = await contextWith({
      annotationPolicy: { ...annotationPolicy, unknown: 'warn' },
    })
    const { verdict } = await reviewed(pod({ owner: 'team-a' }), context)

    expect(verdict.outcome).toBe('injected')
    expect(verdict.warnings).toEqual(['conjur.org/owner: unknown annotation'])
  })

  test('an unknown mode is refused', async () => {
    const problems = await refusal({ 'container-mode': 'daemon' })

    expect(problems).toEqual([
      'conjur.org/container-mode: "daemon" is unknown; write sidecar, init, both',
    ])
  })

  test('a pod to which nothing would be delivered is refused', async () => {
    const problems = await refusal({ 'conjur-secrets.db': undefined, 'access-token': 'false' })

    expect(problems).toEqual([
      'conjur.org/inject: there is nothing to deliver; add conjur.org/conjur-secrets.<group> with a list of variables',
    ])
  })

  test('a pod without a group gets the access token, and is told so', async () => {
    const { verdict } = await reviewed(pod({ 'conjur-secrets.db': undefined }))

    expect(verdict.outcome).toBe('injected')
    expect(verdict.warnings).toEqual([
      'only the access token is delivered; add conjur.org/conjur-secrets.<group> with a list of variables',
    ])
  })
})

describe("P8: trust settings are the administrator's", () => {
  test('image, connection and token path of a pod are ignored with a warning', async () => {
    const {
      verdict,
      pod: patched,
      agent,
    } = await reviewed(
      pod({
        'container-image': 'evil.example.com/agent',
        conjurConnConfig: 'my-conjur',
        'jwt-token-path': '/tmp/token',
      }),
    )

    expect(verdict.warnings).toEqual([
      'conjur.org/container-image is ignored: the administrator decides that',
      'conjur.org/conjurConnConfig is ignored: the administrator decides that',
      'conjur.org/jwt-token-path is ignored: the administrator decides that',
    ])
    expect(agent.args).toEqual(['sidecar', '--jwt-token-path=/var/run/secrets/conjur.org/token'])
    // What `kubectl exec … conjur-agent doctor` has, which sees no flag of the agent.
    expect(agent.env).toContainEqual({
      name: 'JWT_TOKEN_PATH',
      value: '/var/run/secrets/conjur.org/token',
    })
    expect(JSON.stringify(patched.spec)).not.toMatch(/evil|my-conjur|\/tmp\/token/)
  })

  test.each(['appliance-url', 'account', 'ssl-certificate', 'token-audience', 'authn-url'])(
    'conjur.org/%s does not exist',
    async (name) => {
      const problems = await refusal({ [name]: 'https://evil.example.com' })

      expect(problems).toHaveLength(1)
      expect(problems[0]).toContain(`conjur.org/${name}: unknown annotation`)
    },
  )

  test('a wildcard opens no trust setting; its full name does', async () => {
    const { annotationPolicy } = await settingsWith()
    const object = pod({ 'container-image': 'mirror.example.com/agent:2' })
    const allow = ['*', 'container-*', 'container-image']
    const open = await contextWith({ annotationPolicy: { ...annotationPolicy, allow } })
    const shut = await contextWith({
      annotationPolicy: { ...annotationPolicy, allow: ['*', 'container-*'] },
    })

    expect((await reviewed(object, open)).pod.spec.initContainers[0].image).toBe(
      'mirror.example.com/agent:2',
    )
    expect((await reviewed(object, shut)).pod.spec.initContainers[0].image).not.toContain('mirror')
  })

  test('an annotation that the policy denies is refused; deny wins over allow', async () => {
    const { annotationPolicy } = await settingsWith()
    const policy = { ...annotationPolicy, allow: ['conjur-*', 'log-level'], deny: ['log-*'] }
    const context = await contextWith({ annotationPolicy: policy })
    const { verdict } = await reviewed(
      pod({ 'log-level': 'debug', 'container-mode': 'init' }),
      context,
    )

    expect(verdict.problems).toEqual([
      "conjur.org/log-level: the administrator's annotation policy does not allow it",
      "conjur.org/container-mode: the administrator's annotation policy does not allow it",
    ])
  })

  test("the administrator's defaults fill in where a pod is silent, and are written down", async () => {
    const { annotationPolicy } = await settingsWith()
    const defaults = { 'container-mode': 'init', 'log-level': 'debug' }
    const context = await contextWith({ annotationPolicy: { ...annotationPolicy, defaults } })
    const { pod: patched, agent } = await reviewed(pod({ 'log-level': 'warn' }), context)

    expect(agent.args[0]).toBe('init')
    expect(patched.metadata.annotations).toMatchObject({
      'conjur.org/container-mode': 'init',
      'conjur.org/log-level': 'warn',
    })
  })
})

describe("the sidecar injector's annotations", () => {
  test('inject-type authenticator delivers the token alone, under its old names', async () => {
    const { pod: patched, agent } = await reviewed(
      pod({ 'inject-type': 'authenticator', 'conjur-secrets.db': undefined }),
    )

    expect(agent.name).toBe('authenticator')
    expect(agent.env).toContainEqual({
      name: 'CONJUR_AUTHN_TOKEN_FILE',
      value: '/run/conjur/conjur-access-token',
    })
    expect(patched.spec.containers[0].volumeMounts).toEqual([
      { name: 'conjur-status', mountPath: '/conjur/status' },
      { name: 'conjur-access-token', mountPath: '/run/conjur', readOnly: true },
    ])
    expect(patched.spec.volumes.map(({ name }: Loose) => name)).not.toContain('conjur-secrets')
  })

  test('inject-type secretless is refused', async () => {
    expect(await refusal({ 'inject-type': 'secretless' })).toEqual([
      'conjur.org/inject-type: secretless is not part of this program',
    ])
  })

  test('conjurAuthConfig gives the login from its ConfigMap', async () => {
    const { agent } = await reviewed(pod({ conjurAuthConfig: 'web-login' }))

    expect(agent.env).toContainEqual({
      name: 'CONJUR_AUTHN_LOGIN',
      valueFrom: { configMapKeyRef: { name: 'web-login', key: 'CONJUR_AUTHN_LOGIN' } },
    })
  })

  test('conjur-token-receivers still names containers', async () => {
    const containers = [{ name: 'web' }, { name: 'proxy' }]
    const { verdict, pod: patched } = await reviewed(
      pod({ 'conjur-token-receivers': 'web' }, { containers }),
    )

    expect(patched.spec.containers[1]).toEqual({ name: 'proxy' })
    expect(verdict.warnings).toEqual([
      'conjur.org/conjur-token-receivers is an old name; write conjur.org/conjur-inject-volumes',
    ])
  })
})

describe('the login', () => {
  const loginOf = (agent: Loose) =>
    agent.env.find(({ name }: Loose) => name === 'CONJUR_AUTHN_LOGIN')?.value

  test('comes from conjur.org/authn-identity before the template', async () => {
    const { conjur } = await settingsWith()
    const loginTemplate = 'host/apps/{namespace}/{serviceAccount}'
    const context = await contextWith({ conjur: { ...conjur, loginTemplate } })
    const named = await reviewed(pod({ 'authn-identity': 'host/apps/own' }), context)
    const silent = await reviewed(pod(), context)

    expect(loginOf(named.agent)).toBe('host/apps/own')
    expect(loginOf(silent.agent)).toBe('host/apps/shop/web')
  })

  test('may be left out with authn-jwt', async () => {
    expect(loginOf((await reviewed(pod())).agent)).toBeUndefined()
  })

  test('must be there with authn-azure: the refusal says which line to write', async () => {
    const context = await contextWith({}, { CONJUR_AUTHENTICATOR: 'authn-azure/prod' })
    const { verdict } = await reviewed(pod(), context)

    expect(verdict.problems).toEqual([
      'conjur.org/authn-identity: authn-azure/prod needs it: write host/<path of the host in Conjur>',
    ])
  })

  test('that is no host is refused', async () => {
    expect(await refusal({ 'authn-identity': 'apps/web' })).toEqual([
      'conjur.org/authn-identity: "apps/web" does not start with host/; for the host apps/web write host/apps/web',
    ])
  })

  test('is not expanded by the kubelet', async () => {
    const { agent } = await reviewed(pod({ 'authn-identity': 'host/$(MY_POD_NAME)' }))

    expect(loginOf(agent)).toBe('host/$$(MY_POD_NAME)')
  })
})

describe("the agent's resources", () => {
  test('are small, and a pod may change them within bounds', async () => {
    const usual = await reviewed(pod())
    const changed = await reviewed(
      pod({
        'agent-requests-cpu': '50m',
        'agent-limits-cpu': '0.5',
        'agent-limits-memory': '256Mi',
      }),
    )

    expect(usual.agent.resources).toEqual({
      requests: { cpu: '10m', memory: '32Mi' },
      limits: { memory: '128Mi' },
    })
    expect(changed.agent.resources).toEqual({
      requests: { cpu: '50m', memory: '32Mi' },
      limits: { cpu: '0.5', memory: '256Mi' },
    })
  })

  test.each([
    ['agent-limits-cpu', '501m', '"501m" is above 500m, the most an agent may have'],
    ['agent-limits-memory', '1Gi', '"1Gi" is above 256Mi, the most an agent may have'],
    ['agent-requests-memory', '200Mi', 'the request 200Mi is above the limit 128Mi'],
    ['agent-limits-memory', 'lots', '"lots" is no quantity such as 256Mi'],
    ['agent-requests-cpu', '-1', '"-1" is no quantity such as 500m'],
    ['secrets-size-limit', '1Gi', '"1Gi" is above 256Mi, the most an agent may have'],
  ])('%s %s is refused', async (name, value, why) => {
    expect(await refusal({ [name]: value })).toEqual([`conjur.org/${name}: ${why}`])
  })
})
