import { describe, expect, test } from 'vitest'
import { review } from '../../src/injector/review.ts'
import { contextWith, creating, pod, reviewed, type Loose } from './pods.ts'

describe('opting in', () => {
  test.each(['true', 'TRUE', 'yes', 'Yes', 'on', 'y', 'Y', ' true '])(
    'the word %j opts in',
    async (word) => {
      const { verdict } = await reviewed(pod({ inject: word }))

      expect(verdict.outcome).toBe('injected')
    },
  )

  test.each(['false', 'No', 'off', 'N'])('the word %j opts out', async (word) => {
    const { verdict } = await reviewed(pod({ inject: word }))

    expect(verdict).toMatchObject({ outcome: 'skipped', reason: 'opted-out', warnings: [] })
  })

  test.each(['', 'tru', '1', 'enabled', 'true\nfalse'])(
    'any other word (%j) is refused by name',
    async (word) => {
      const { verdict } = await reviewed(pod({ inject: word }))

      expect(verdict.outcome).toBe('refused')
      expect(verdict.problems[0]).toContain('conjur.org/inject')
      expect(verdict.problems[0]).toContain(word.replaceAll('\n', ' '))
    },
  )

  test('a pod that says nothing is left alone', async () => {
    const object = { metadata: { name: 'x' }, spec: { containers: [] } }
    const { verdict } = await reviewed(object)

    expect(verdict).toMatchObject({ outcome: 'skipped', reason: 'not-opted-in', warnings: [] })
  })

  test('a misspelt opt-in gets the nearest name as a warning', async () => {
    const object = pod({}, {}, { annotations: { 'conjur.org/injct': 'true' } })
    const { verdict } = await reviewed(object)

    expect(verdict).toMatchObject({
      outcome: 'skipped',
      warnings: ['conjur.org/injct: unknown annotation; nearest: conjur.org/inject'],
    })
  })

  test('a label where an annotation counts is pointed out', async () => {
    const object = pod({}, {}, { annotations: null, labels: { 'conjur.org/inject': 'true' } })
    const { verdict } = await reviewed(object)

    expect(verdict.warnings).toEqual([
      'conjur.org/inject among the labels has no effect; write it among the annotations',
    ])
  })

  test('with match: label the label has the name and values of the annotation', async () => {
    const context = await contextWith({ match: 'label' })
    const labels = { 'conjur.org/inject': 'yes' }
    const { verdict } = await reviewed(pod({ inject: undefined }, {}, { labels }), context)

    expect(verdict.outcome).toBe('injected')
  })
})

describe('what is never injected', () => {
  test.each(['kube-system', 'kube-public', 'kube-node-lease', 'conjur-agent'])(
    'a pod in %s, by the namespace of the request',
    async (namespace) => {
      const object = pod({}, {}, { namespace: 'shop' })
      const { verdict } = await reviewed(object, undefined, { namespace })

      expect(verdict).toMatchObject({ outcome: 'skipped', reason: 'namespace', patch: [] })
      expect(verdict.warnings).toEqual([`nothing is injected in the namespace ${namespace}`])
    },
  )

  test('a pod without a namespace of its own is judged by the request too', async () => {
    const { verdict } = await reviewed(pod(), undefined, { namespace: 'kube-system' })

    expect(verdict.patch).toEqual([])
  })

  test('a pod that did not opt in gets no warning there', async () => {
    const object = { metadata: {}, spec: { containers: [] } }
    const { verdict } = await reviewed(object, undefined, { namespace: 'kube-system' })

    expect(verdict.warnings).toEqual([])
  })

  test.each([
    ['UPDATE', { operation: 'UPDATE' }],
    ['CONNECT', { operation: 'CONNECT' }],
    ['a subresource', { subResource: 'ephemeralcontainers' }],
    ['another kind', { kind: { group: 'apps', version: 'v1', kind: 'Deployment' } }],
    ['a kind called Pod of another group', { kind: { group: 'x.io', version: 'v1', kind: 'Pod' } }],
    ['another resource', { resource: { group: 'x.io', version: 'v1', resource: 'pods' } }],
  ])('%s, with a warning where the object opted in', async (_, changes) => {
    const { verdict } = await reviewed(pod(), undefined, changes)

    expect(verdict).toMatchObject({ outcome: 'skipped', reason: 'not-a-pod', patch: [] })
    expect(verdict.warnings).toHaveLength(1)
  })

  test('a deletion, whose object is null', async () => {
    const request = creating(null, { operation: 'DELETE' })
    const verdict = await review(request, await contextWith())

    expect(verdict).toMatchObject({ outcome: 'skipped', warnings: [] })
  })

  test('a mirror pod', async () => {
    const object = pod()
    object.metadata.annotations['kubernetes.io/config.mirror'] = 'abc'
    const { verdict } = await reviewed(object)

    expect(verdict).toMatchObject({ outcome: 'skipped', reason: 'mirror-pod' })
    expect(verdict.warnings).toHaveLength(1)
  })

  const onlyWindows = { key: 'kubernetes.io/os', operator: 'In', values: ['windows'] }
  const required = { nodeSelectorTerms: [{ matchExpressions: [onlyWindows] }] }
  test.each([
    ['spec.os', { os: { name: 'windows' } }],
    ['a node selector', { nodeSelector: { 'kubernetes.io/os': 'windows' } }],
    [
      'node affinity',
      {
        affinity: {
          nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required },
        },
      },
    ],
  ])('a Windows pod, told by %s', async (_, spec) => {
    const { verdict } = await reviewed(pod({}, spec))

    expect(verdict).toMatchObject({ outcome: 'skipped', reason: 'windows' })
    expect(verdict.warnings).toEqual(['Windows pods are not injected'])
  })
})

test.each([
  [{ kind: { group: '', version: 'v1', kind: 'Service' } }, 'CREATE of Service'],
  [{ resource: { group: '', version: 'v1', resource: 'services' } }, 'CREATE of Pod'],
  [{ resource: { group: 'apps', version: 'v1', resource: 'pods' } }, 'CREATE of Pod'],
  [{ operation: 'UPDATE' }, 'UPDATE of Pod'],
  [{ subResource: 'ephemeralcontainers' }, 'CREATE of Pod/ephemeralcontainers'],
])('a request that creates no pod (%o) is told so', async (changes, what) => {
  const verdict = await review(creating(pod(), changes), await contextWith())

  expect(verdict).toMatchObject({
    outcome: 'skipped',
    reason: 'not-a-pod',
    warnings: [
      `conjur.org/inject has no effect here (${what}): only pods that are being created are injected`,
    ],
  })
})

test('a request that leaves the resource out creates a pod by its kind', async () => {
  for (const resource of [undefined, {}]) {
    expect((await review(creating(pod(), { resource }), await contextWith())).outcome).toBe(
      'injected',
    )
  }
})

test('an injected pod says so, by annotation and label, and its agent where it failed', async () => {
  const { pod: injected } = await reviewed(pod())

  expect(injected.metadata.annotations['conjur.org/status']).toBe('injected')
  expect(injected.metadata.labels).toEqual({ 'conjur.org/status': 'injected' })
  expect(injected.spec.initContainers[0]).not.toHaveProperty('ports')
  expect(injected.spec.initContainers[0].terminationMessagePolicy).toBe('FallbackToLogsOnError')
})

test('a verdict says no more than it has to', async () => {
  expect((await reviewed(pod({ inject: 'no' }))).verdict).toMatchObject({
    patch: [],
    problems: [],
    warnings: [],
  })
  expect((await reviewed(pod({ inject: 'maybe' }))).verdict).toMatchObject({
    patch: [],
    warnings: [],
  })
})

test('the namespace is that of the request, else that of the pod', async () => {
  const inNamespace = async (namespace: string | undefined): Promise<string> => {
    const object = pod({}, {}, { namespace, ...pod().metadata })
    const verdict = await review(creating(object, { namespace: undefined }), await contextWith())
    return `${verdict.outcome} ${'reason' in verdict ? verdict.reason : ''}`
  }

  expect(await inNamespace('kube-system')).toBe('skipped namespace')
  expect(await inNamespace('shop')).toMatch(/^injected/)
  expect(await inNamespace(undefined)).toMatch(/^injected/)
})

test('a pod that opts in by label may have no annotations at all', async () => {
  const context = await contextWith({ match: 'label' })
  const labels = { 'conjur.org/inject': 'yes' }

  const { verdict } = await reviewed(pod({}, {}, { annotations: undefined, labels }), context)

  expect(verdict).toMatchObject({
    outcome: 'injected',
    warnings: [expect.stringContaining('only the access token is delivered')],
  })
})

test('the token alone, where that is asked for, is no reason for a warning', async () => {
  const alone = { 'inject-type': 'authenticator', 'conjur-secrets.db': undefined }

  expect((await reviewed(pod(alone))).verdict).toMatchObject({ outcome: 'injected', warnings: [] })
})

test('a key of another prefix, however long, is none of ours', async () => {
  const object = pod()
  object.metadata.annotations['otherx.org/container-mode'] = 'init'

  const { pod: injected } = await reviewed(object)

  expect(injected.spec.initContainers[0].args[0]).toBe('sidecar')
})

test('a pod that names no service account has the default one', async () => {
  const context = await contextWith()
  const conjur = { ...context.settings.conjur, loginTemplate: 'host/{namespace}/{serviceAccount}' }
  const settings = { ...context.settings, conjur }

  const { pod: injected } = await reviewed(pod({}, { serviceAccountName: undefined }), {
    ...context,
    settings,
  })

  expect(injected.spec.initContainers[0].env).toContainEqual({
    name: 'CONJUR_AUTHN_LOGIN',
    value: 'host/shop/default',
  })
})

test('an object that did not opt in is not told anything', async () => {
  const object = pod({ inject: undefined })

  expect(
    await review(creating(object, { operation: 'UPDATE' }), await contextWith()),
  ).toMatchObject({ outcome: 'skipped', reason: 'not-a-pod', warnings: [] })
})

test('a word that is neither yes nor no has its own reason', async () => {
  expect((await reviewed(pod({ inject: 'maybe' }))).verdict.reason).toBe('opt-in-value')
})

test('P6 an agent is checked as the command that it will be, and told what it is given', async () => {
  const checked: unknown[] = []
  const context = await contextWith()
  const check: typeof context.check = (given) => {
    checked.push({ mode: given.mode, foreign: given.annotations.get('other') })
    return context.check(given)
  }
  for (const mode of ['init', 'sidecar', 'both']) {
    const object = pod({ 'container-mode': mode })
    object.metadata.annotations.other = 'x'
    await review(creating(object), { ...context, check })
  }

  expect(checked).toEqual([
    { mode: 'init', foreign: undefined },
    { mode: 'sidecar', foreign: undefined },
    { mode: 'sidecar', foreign: undefined },
  ])
})

describe('a second pass', () => {
  test('yields no patch', async () => {
    const first = await reviewed(pod({ 'container-mode': 'both' }))
    const { verdict } = await reviewed(first.pod)

    expect(verdict).toMatchObject({ outcome: 'skipped', reason: 'already-injected', patch: [] })
  })

  test("yields no patch after another webhook's edits and the API server's defaults", async () => {
    const { pod: injected } = await reviewed(pod())
    injected.spec.containers.push({ name: 'istio-proxy', image: 'istio' })
    injected.spec.initContainers.unshift({ name: 'istio-init', image: 'istio' })
    const agent = injected.spec.initContainers[1]
    agent.image = 'mirror.example.com/conjur-agent:1'
    agent.env.push({ name: 'HTTP_PROXY', value: 'x' })
    agent.volumeMounts.push({ name: 'kube-api-access-x', mountPath: '/var/run/x', readOnly: true })
    agent.terminationMessagePath = '/dev/termination-log'
    agent.startupProbe.successThreshold = 1
    injected.spec.volumes[4].projected.defaultMode = 420
    delete injected.metadata.labels
    const { verdict } = await reviewed(injected)

    expect(verdict.patch).toEqual([])
  })

  test.each<[string, (agent: Loose) => void]>([
    ['has another name', (agent) => (agent.name = 'agent')],
    ['does another thing', (agent) => (agent.args[0] = 'init')],
    ['does nothing', (agent) => delete agent.args],
  ])('P8 a container that only looks like the agent, but %s, is none', async (_, change) => {
    const { pod: injected } = await reviewed(pod())
    change(injected.spec.initContainers[0])

    const { verdict } = await reviewed(injected)

    expect(verdict.reason).not.toBe('already-injected')
  })

  test('of both agents both must be there', async () => {
    const { pod: injected } = await reviewed(pod({ 'container-mode': 'both' }))
    injected.spec.initContainers.splice(0, 1)

    const { verdict } = await reviewed(injected)

    expect(verdict.reason).not.toBe('already-injected')
  })

  test('a status written by hand does not keep a pod from its agent', async () => {
    const { verdict } = await reviewed(pod({ status: 'injected' }))

    expect(verdict.outcome).toBe('injected')
  })
})

test('a pod that is no pod is malformed, and the message shows none of its values', async () => {
  const object = { metadata: {}, spec: { containers: [{ name: 'x', env: 'hunter2' }] } }
  const verdict = await review(creating(object), await contextWith())

  expect(verdict).toEqual({
    outcome: 'malformed',
    message: 'the pod is malformed at spec.containers.0.env: expected a list, got a text',
  })
})
