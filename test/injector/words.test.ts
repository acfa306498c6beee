import { describe, expect, test } from 'vitest'
import { missedPod } from '../../src/injector/missed.ts'
import { readPod } from '../../src/injector/pod.ts'
import { review } from '../../src/injector/review.ts'
import { contextWith, creating, pod, reviewed, settingsWith } from './pods.ts'

const db = { 'conjur-secrets.db': '- apps/web/x' }

describe('P6 what is wrong with an annotation is told in words that name it', () => {
  const long = 'a'.repeat(64)

  test.each([
    [
      { 'inject-type': 'authenticator', 'authn-identity': 'host/a', ...db },
      'conjur.org/conjur-secrets.db: inject-type authenticator delivers the access token only; remove one of them',
    ],
    [
      { 'inject-type': 'secretless' },
      'conjur.org/inject-type: secretless is not part of this program',
    ],
    [
      { 'inject-type': 'agent' },
      'conjur.org/inject-type: "agent" is not one of secrets-provider, authenticator',
    ],
    [
      { 'inject-type': 'authenticator', 'conjur-secrets.db': undefined, 'access-token': 'no' },
      'conjur.org/access-token: inject-type authenticator delivers nothing else',
    ],
    [
      { 'conjur-secrets.db': undefined, 'access-token': 'no' },
      'conjur.org/inject: there is nothing to deliver; add conjur.org/conjur-secrets.<group> with a list of variables',
    ],
    [
      { 'conjur-secrets.db': undefined, 'exec-containers': 'web' },
      'conjur.org/exec-containers: names no values; add conjur.org/conjur-secrets.<group>',
    ],
    [
      { 'container-mode': 'standalone' },
      'conjur.org/container-mode: "standalone" runs by itself and is not injected; write sidecar, init, both',
    ],
    [
      { 'container-mode': 'Application' },
      'conjur.org/container-mode: "application" is a container of its own and is not injected; write sidecar, init, both',
    ],
    [
      { 'container-mode': 'always' },
      'conjur.org/container-mode: "always" is unknown; write sidecar, init, both',
    ],
    [{ 'access-token': 'maybe' }, 'conjur.org/access-token: "maybe" is neither true nor false'],
    [
      { 'container-name': long },
      `conjur.org/container-name: "${'a'.repeat(57)}…" is no container name: at most 63 of a-z, 0-9 and -`,
    ],
    [
      { 'container-name': 'a'.repeat(59), 'container-mode': 'both' },
      `conjur.org/container-name: "${'a'.repeat(59)}" is no container name: at most 58 of a-z, 0-9 and -`,
    ],
    [
      { 'container-name': '-a' },
      'conjur.org/container-name: "-a" is no container name: at most 63 of a-z, 0-9 and -',
    ],
    [
      { 'conjur-inject-volumes': 'web,,' },
      'conjur.org/conjur-inject-volumes: "web,," has an empty name in its list',
    ],
    [
      { conjurAuthConfig: 'No Map' },
      'conjur.org/conjurAuthConfig: "No Map" is no name of a ConfigMap',
    ],
    [
      { conjurAuthConfig: 'm'.repeat(254) },
      expect.stringMatching(
        /^conjur\.org\/conjurAuthConfig: "m+…?"? ?.*is no name of a ConfigMap$/,
      ),
    ],
  ])('%j', async (annotations, problem) => {
    const { verdict } = await reviewed(pod({ ...db, ...annotations }))

    expect(verdict).toMatchObject({ outcome: 'refused', reason: 'annotations', patch: [] })
    expect(verdict.problems).toContainEqual(problem)
  })

  test.each([
    [{ 'container-name': 'a'.repeat(63) }, 'a'.repeat(63)],
    [{ 'container-name': ' agent-7 ' }, 'agent-7'],
    [{ 'container-name': '' }, 'conjur-agent'],
  ])('a name that fits is taken: %j', async (annotations, name) => {
    const { verdict, pod: injected } = await reviewed(pod({ ...db, ...annotations }))

    expect(verdict.problems).toEqual([])
    expect(injected.spec.initContainers[0].name).toBe(name)
  })

  test('a login may come from a ConfigMap whose name is as long as may be', async () => {
    const { verdict } = await reviewed(pod({ ...db, conjurAuthConfig: 'm'.repeat(253) }))

    expect(verdict.outcome).toBe('injected')
  })

  test('of two lists of receivers the newer wins, and that is said', async () => {
    const { verdict } = await reviewed(
      pod({ ...db, 'conjur-inject-volumes': 'web', 'conjur-token-receivers': 'web' }),
    )

    expect(verdict.warnings).toContain(
      'conjur.org/conjur-inject-volumes wins over conjur.org/conjur-token-receivers',
    )
  })

  test('the newer list alone is taken without a word', async () => {
    const { verdict } = await reviewed(pod({ ...db, 'conjur-inject-volumes': 'web' }))

    expect([verdict.outcome, verdict.warnings]).toEqual(['injected', []])
  })

  test('the older list alone is taken, and its new name told', async () => {
    const { verdict } = await reviewed(pod({ ...db, 'conjur-token-receivers': 'web' }))

    expect([verdict.outcome, verdict.warnings]).toEqual([
      'injected',
      ['conjur.org/conjur-token-receivers is an old name; write conjur.org/conjur-inject-volumes'],
    ])
  })

  test('a pod that asks for no value gets the access token, and hears how to ask', async () => {
    const { verdict } = await reviewed(pod({ 'conjur-secrets.db': undefined }))

    expect(verdict).toMatchObject({
      outcome: 'injected',
      warnings: [
        'only the access token is delivered; add conjur.org/conjur-secrets.<group> with a list of variables',
      ],
    })
  })

  test('values that go to Kubernetes Secrets are values as well', async () => {
    const { verdict } = await reviewed(
      pod({ 'conjur-secrets.db': undefined, 'secrets-destination': 'k8s_secrets' }),
    )

    expect(verdict.warnings).not.toContainEqual(expect.stringContaining('only the access token'))
  })

  test.each(['xtrue', 'truex', 'x true', 'nox', 'xno', 'no x'])(
    'the word %j neither opts in nor out',
    async (word) => {
      const { verdict } = await reviewed(pod({ ...db, inject: word }))

      expect(verdict.problems).toEqual([
        `conjur.org/inject: the annotation "${word}" is neither true, yes, on, y nor false, no, off, n`,
      ])
    },
  )
})

describe('what is overlooked', () => {
  const opted = { annotations: { 'conjur.org/inject': 'true' } }

  test.each([
    [{ operation: 'UPDATE' }, 'UPDATE of Pod'],
    [{ subResource: 'ephemeralcontainers' }, 'CREATE of Pod/ephemeralcontainers'],
    [{ kind: { group: 'apps', version: 'v1', kind: 'Pod' } }, 'CREATE of Pod'],
    [{ resource: { group: 'apps', version: 'v1', resource: 'pods' } }, 'CREATE of Pod'],
    [{ resource: { group: '', version: 'v1', resource: 'widgets' } }, 'CREATE of Pod'],
  ])('%j is told to who opted in', async (overrides, what) => {
    const request = { ...creating(pod(db)), ...overrides }

    expect(await review(request, await contextWith())).toMatchObject({
      outcome: 'skipped',
      reason: 'not-a-pod',
      warnings: [
        `conjur.org/inject has no effect here (${what}): only pods that are being created are injected`,
      ],
    })
  })

  test.each([
    ['says nothing', { metadata: {} }],
    ['opted out', { metadata: { annotations: { 'conjur.org/inject': 'no' } } }],
  ])('an object that %s hears nothing', async (_what, object) => {
    const request = { ...creating(object), operation: 'DELETE' }

    expect(await review(request, await contextWith())).toMatchObject({ warnings: [] })
  })

  test('a mirror pod and a Windows pod are told why', async () => {
    const annotations = { 'kubernetes.io/config.mirror': 'x', ...opted.annotations }
    const mirror = await reviewed(pod({}, {}, { annotations }))
    const windows = await reviewed(pod(db, { os: { name: 'windows' } }))

    expect(mirror.verdict).toMatchObject({
      outcome: 'skipped',
      reason: 'mirror-pod',
      warnings: ['mirror pods of static pods are not injected'],
    })
    expect(windows.verdict).toMatchObject({
      outcome: 'skipped',
      reason: 'windows',
      warnings: ['Windows pods are not injected'],
    })
  })

  test('a known annotation of ours on a pod that did not opt in is no misspelling', async () => {
    const annotations = {
      'conjur.org/container-mode': 'init',
      'conjur.org/zzzzzzzz': 'x',
      'example.com/injct': 'x',
    }
    const { verdict } = await reviewed(pod({}, {}, { annotations }))

    expect(verdict.warnings).toEqual([])
  })

  test('of very many problems fifty are told and the rest counted', async () => {
    const wrong = (count: number): Record<string, string> =>
      Object.fromEntries(
        Array.from({ length: count }, (_, index) => [`zz-${String(index).padStart(3, '0')}`, 'x']),
      )
    const many = await reviewed(pod({ ...db, ...wrong(60) }))
    const few = await reviewed(pod({ ...db, ...wrong(50) }))

    expect(many.verdict.problems).toHaveLength(51)
    expect(many.verdict.problems.at(-1)).toBe('and 10 more')
    expect(few.verdict.problems).toHaveLength(50)
    expect(few.verdict.problems.at(-1)).toContain('zz-049')
  })
})

describe('why a pod was missed', () => {
  async function missed(object: unknown): Promise<unknown> {
    const read = readPod(object)
    if (typeof read === 'string') throw new Error(read)
    return missedPod(read, await settingsWith())
  }

  test('a mirror pod was not', async () => {
    const annotations = { 'conjur.org/inject': 'true', 'kubernetes.io/config.mirror': 'x' }

    expect(await missed(pod({}, {}, { annotations }))).toBeUndefined()
  })

  test('a template that claims to be injected is told so', async () => {
    const annotations = { 'conjur.org/inject': 'true', 'conjur.org/status': 'injected' }

    expect(await missed(pod({}, {}, { annotations, name: 'web', namespace: 'shop' }))).toEqual({
      namespace: 'shop',
      name: 'web',
      uid: '',
      why: 'its template says conjur.org/status: injected, but the agent is not there',
    })
  })

  test('a pod without names has none', async () => {
    const bare = {
      metadata: { annotations: { 'conjur.org/inject': 'true' } },
      spec: { containers: [] },
    }

    expect(await missed(bare)).toMatchObject({ namespace: '', name: '', uid: '' })
  })
})
