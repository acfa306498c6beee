import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readReview } from '../../src/injector/pod.ts'
import { review } from '../../src/injector/review.ts'
import { applyPatch } from '../support/json-patch.ts'
import { contextWith, creating, pod, type Loose } from './pods.ts'

/*
 * Reviews with anything in the place of anything: a review is answered or called malformed, never an
 * exception, and an answer's patch fits the pod and leaves nothing for a second pass.
 */

const whole = {
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: creating(
    pod(
      {
        'container-mode': 'both',
        'secret-file-path.db': 'db.json',
        'secret-file-format.db': 'json',
        'conjur-inject-volumes': 'web',
        'agent-limits-memory': '64Mi',
      },
      {
        securityContext: { runAsUser: 1 },
        nodeSelector: { a: 'b' },
        volumes: [{ name: 'data', emptyDir: {} }],
        initContainers: [{ name: 'init', env: [{ name: 'A', value: 'b' }] }],
        containers: [
          {
            name: 'web',
            command: ['x'],
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          },
        ],
      },
      {
        labels: { 'azure.workload.identity/use': 'true' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: 'u', controller: true }],
      },
    ),
  ),
}

function placesOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, inner]) => placesOf(inner, [...path, key]))]
}

const anything = fc.oneof(
  fc.constantFrom(
    null,
    undefined,
    true,
    0,
    -1,
    '',
    'x',
    [],
    {},
    [null],
    [[]],
    'conjur-agent',
    '/conjur/secrets',
  ),
  fc.json({ maxDepth: 2 }).map((text): Loose => JSON.parse(text)),
  fc.string(),
)

const changes = fc.array(fc.tuple(fc.constantFrom(...placesOf(whole)), anything), {
  minLength: 1,
  maxLength: 3,
})

test('whatever stands in a review, it is answered or malformed', async () => {
  const context = await contextWith()
  const seen = { malformed: 0, injected: 0, refused: 0, skipped: 0 }
  await fc.assert(
    fc.asyncProperty(changes, async (list) => {
      const changed = list.reduce<Loose>((root, [path, value]) => {
        const last = path.at(-1)
        // A copy, since a value that is changed later is also in other runs, and may come to hold itself.
        if (last === undefined) return structuredClone(value)
        const parent = path.slice(0, -1).reduce<Loose>((here, key) => here?.[key], root)
        if (typeof parent === 'object' && parent !== null) parent[last] = structuredClone(value)
        return root
      }, structuredClone(whole))
      const sent: Loose = JSON.parse(JSON.stringify(changed) ?? 'null')
      const read = readReview(sent)
      if (typeof read === 'string') {
        seen.malformed += 1
        return
      }
      const verdict = await review(read.request, context)
      seen[verdict.outcome] += 1
      if (verdict.outcome !== 'injected') return
      const patched = applyPatch(sent.request.object, verdict.patch)
      const second = await review({ ...read.request, object: patched }, context)
      expect(second).toMatchObject({ outcome: 'skipped', patch: [] })
    }),
    { numRuns: 1500 },
  )

  expect(Math.min(...Object.values(seen))).toBeGreaterThan(10)
})

test('annotation values of any text are answered, with lines that fit a header', async () => {
  const context = await contextWith()
  const names = [
    'inject',
    'inject-type',
    'container-mode',
    'container-name',
    'conjur-inject-volumes',
    'exec-containers',
    'authn-identity',
    'conjurAuthConfig',
    'access-token',
    'conjur-secrets.db',
    'secret-file-path.db',
    'secret-file-template.db',
    'secret-file-permissions.db',
    'agent-limits-cpu',
    'unknown-one',
  ]
  const annotations = fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' }))
  await fc.assert(
    fc.asyncProperty(annotations, async (given) => {
      const verdict = await review(creating(pod(given)), context)

      if (verdict.outcome === 'malformed') throw new Error(verdict.message)
      for (const line of [...verdict.problems, ...verdict.warnings]) {
        expect(line).not.toMatch(/[\r\n\0]/)
      }
    }),
    { numRuns: 300 },
  )
})
