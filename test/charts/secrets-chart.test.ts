import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import { rbac, type KubernetesNeeds } from '../../src/doctor/rbac.ts'
import {
  ENOUGH,
  findHelm,
  only,
  render,
  SECRETS_CHART as CHART,
  type Rendered,
} from '../support/helm.ts'

const STANDALONE = [...ENOUGH, 'namespaces={shop,billing}']
const JOB = [...ENOUGH, 'mode=job']
const NAME = 'shop-conjur-agent-secrets'
const examples = readdirSync(`${CHART}/ci`)

test('values.yaml can be read through', () => {
  expect(readFileSync(`${CHART}/values.yaml`, 'utf8').split('\n').length).toBeLessThanOrEqual(251)
})

const helm = findHelm()
const run = promisify(execFile)

describe.skipIf(helm === undefined)('rendered by helm', () => {
  const rendered = (set: readonly string[], files: readonly string[] = []) =>
    render(helm ?? '', { chart: CHART, set, files })

  /** The pod that a Deployment, a Job or a CronJob starts. */
  async function podOf(set: readonly string[]): Promise<Rendered> {
    const workloads = (await rendered(set)).filter(({ kind }) => /Deployment|Job/.test(kind))
    expect(workloads).toHaveLength(1)
    const [{ spec }] = workloads
    return (spec.template ?? spec.jobTemplate.spec.template).spec
  }

  test.each(examples)('ci/%s passes helm lint --strict and renders', async (file) => {
    const path = `${CHART}/ci/${file}`
    const objects = await rendered([], [path])

    await run(helm ?? '', ['lint', '--strict', CHART, '-f', path])
    expect(only(objects, 'ServiceAccount').metadata.name).toBe(NAME)
  })

  test.each([
    ['conjur.applianceUrl', 'conjur.applianceUrl=https://conjur.example.com'],
    ['conjur.account', 'conjur.account=acme'],
    ['conjur.authenticator', 'conjur.authenticator=authn-jwt/prod'],
    ['namespaces', 'namespaces={shop,billing}'],
  ])('without %s the render fails and shows the value written out', async (name, written) => {
    const set = STANDALONE.filter((value) => !value.startsWith(name))

    await expect(rendered(set)).rejects.toThrow(`${name} is not set: add --set ${written}`)
  })

  test.each([
    [
      'namespaces of a Job',
      [...JOB, 'namespaces={shop}'],
      'namespaces has no effect with mode=job',
    ],
    ['a schedule of a Deployment', [...STANDALONE, 'job.schedule=@daily'], 'add --set mode=job'],
  ])('refused, since it would do nothing: %s', async (_, set, why) => {
    await expect(rendered(set)).rejects.toThrow(why)
  })

  test.each([
    ['a typo', 'secretName={db}', "additional properties 'secretName' not allowed"],
    ['an unknown mode', 'mode=sidecar', "value must be one of 'standalone', 'job'"],
    ['every namespace', 'namespaces={*}', 'does not match pattern'],
    ['a namespace twice', 'namespaces={shop,shop}', 'are equal'],
    ['one namespace as text', 'namespaces=shop', 'got string, want array'],
    ['an http address', 'conjur.applianceUrl=http://x', 'does not match pattern'],
    ['a login that is no host', 'conjur.login=apps/web', 'does not match pattern'],
    ['a short token life', 'token.expirationSeconds=60', 'minimum: got 60, want 600'],
    ['no replica', 'replicaCount=0', 'minimum: got 0, want 1'],
    ['an interval without unit', 'refreshInterval=5', 'got number, want string'],
  ])('%s is refused by the schema', async (_, value, why) => {
    await expect(rendered([...STANDALONE, value])).rejects.toThrow(why)
  })

  test('standalone: two replicas in the restricted profile, spread softly, that go one after the other', async () => {
    const objects = await rendered(STANDALONE)
    const { spec } = only(objects, 'Deployment')
    const pod = spec.template.spec
    const [container] = pod.containers

    expect(spec).toMatchObject({
      replicas: 2,
      strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    })
    expect(pod.securityContext).toEqual({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
    })
    expect(
      pod.topologySpreadConstraints.map(
        (one: { whenUnsatisfiable: string }) => one.whenUnsatisfiable,
      ),
    ).toEqual(['ScheduleAnyway', 'ScheduleAnyway'])
    expect(only(objects, 'PodDisruptionBudget').spec).toMatchObject({
      maxUnavailable: 1,
      selector: spec.selector,
    })
  })

  test('probes ask the status document on a volume in memory', async () => {
    const pod = await podOf(STANDALONE)
    const [container] = pod.containers

    expect(container.readinessProbe.exec.command).toEqual(['conjur-agent', 'healthcheck'])
    expect(container.livenessProbe.exec.command).toEqual(['conjur-agent', 'healthcheck', '--live'])
    expect(container.volumeMounts).toContainEqual({
      name: 'conjur-status',
      mountPath: '/conjur/status',
    })
    expect(pod.volumes).toContainEqual({
      name: 'conjur-status',
      emptyDir: { medium: 'Memory', sizeLimit: '1Mi' },
    })
  })

  test.each([
    ['standalone', STANDALONE],
    ['job', JOB],
  ])('%s: the token for Conjur has its audience and life', async (_, set) => {
    const pod = await podOf([...set, 'token.audience=acme', 'token.expirationSeconds=900'])

    expect(pod.volumes[0].projected.sources).toEqual([
      { serviceAccountToken: { audience: 'acme', expirationSeconds: 900, path: 'token' } },
    ])
    expect(pod.serviceAccountName).toBe(NAME)
  })

  test.each([
    [
      'standalone',
      [...STANDALONE, 'refreshInterval=30s', 'conjur.login=host/apps/secrets'],
      {
        mode: 'standalone',
        kubernetesSecrets: { names: [], namespaces: ['shop', 'billing'] },
        replica: { namespace: 'from metadata.namespace', name: 'from metadata.name' },
        refreshIntervalMs: 30_000,
      },
    ],
    [
      'job',
      [...JOB, 'secretNames={db,keys}', 'conjur.login=host/apps/secrets'],
      {
        mode: 'init',
        kubernetesSecrets: { names: ['db', 'keys'], namespaces: ['from metadata.namespace'] },
        refreshIntervalMs: undefined,
      },
    ],
  ])('%s: the agent reads its settings as the chart writes them', async (_, set, expected) => {
    const [{ env, args }] = (await podOf(set)).containers
    const environment = Object.fromEntries(
      env.map(({ name, value, valueFrom }: Rendered) => [
        name,
        value ?? `from ${valueFrom.fieldRef.fieldPath}`,
      ]),
    )
    const config = await loadConfig({
      flags: {},
      annotations: undefined,
      file: undefined,
      environment,
      ...(args[0] === 'init' ? { mode: 'init' } : {}),
    })

    expect(config).toMatchObject({
      ...expected,
      identity: { source: { kind: 'projected-token' } },
      conjur: { account: 'acme', login: 'host/apps/secrets' },
      notes: [],
    })
  })

  test('job: one pass, tried again by the Job, whose name changes with what it holds', async () => {
    const job = only(await rendered(JOB), 'Job')
    const other = only(await rendered([...JOB, 'secretNames={db}']), 'Job')

    expect(job.spec.backoffLimit).toBe(6)
    expect(job.spec.template.spec.restartPolicy).toBe('Never')
    expect(job.spec.template.spec.containers[0]).not.toHaveProperty('readinessProbe')
    expect(job.metadata.name).toMatch(/^shop-conjur-agent-secrets-[0-9a-f]{8}$/)
    expect(other.metadata.name).not.toBe(job.metadata.name)
  })

  test('job: with a schedule it is a CronJob, never two at a time', async () => {
    const objects = await rendered([...JOB, 'job.schedule=*/15 * * * *', 'job.backoffLimit=2'])
    const { metadata, spec } = only(objects, 'CronJob')

    expect(metadata.name).toBe(NAME)
    expect(spec).toMatchObject({ schedule: '*/15 * * * *', concurrencyPolicy: 'Forbid' })
    expect(spec.jobTemplate.spec.backoffLimit).toBe(2)
    expect(objects.filter(({ kind }) => /Deployment|Disruption/.test(kind))).toEqual([])
  })

  const needs = { namespace: 'conjur', serviceAccount: NAME, tokenRequest: false } as const
  const lease = 'conjur-agent-standalone'

  test.each<[string, readonly string[], KubernetesNeeds]>([
    [
      'labelled Secrets of two namespaces',
      STANDALONE,
      { ...needs, secrets: 'labelled', secretNamespaces: ['shop', 'billing'], lease },
    ],
    [
      'named Secrets, the own namespace among them',
      [...ENOUGH, 'namespaces={shop,conjur}', 'secretNames={db,keys}'],
      { ...needs, secrets: ['db', 'keys'], secretNamespaces: ['shop', 'conjur'], lease },
    ],
    ['a Job with the label', JOB, { ...needs, secrets: 'labelled' }],
    ['a Job with names', [...JOB, 'secretNames={db}'], { ...needs, secrets: ['db'] }],
  ])('%s: the rights are those that rbac prints', async (_, set, wanted) => {
    const objects = await rendered(set)
    const printed = parseAllDocuments(rbac(wanted)).map((document) => document.toJS())

    expect(rightsOf(objects)).toEqual(rightsOf(printed))
    expect(objects.filter(({ kind }) => kind.startsWith('Cluster'))).toEqual([])
  })

  test('where others make rights and account, none is made', async () => {
    const off = ['rbac.create=false', 'serviceAccount.create=false', 'serviceAccount.name=filler']
    const objects = await rendered([...STANDALONE, ...off])

    expect(objects.filter(({ kind }) => /Role|ServiceAccount/.test(kind))).toEqual([])
    expect(only(objects, 'Deployment').spec.template.spec.serviceAccountName).toBe('filler')
  })

  test('every object has the six labels and the chart, and selectors have three', async () => {
    const objects = await rendered([
      ...STANDALONE,
      'commonLabels.team=platform',
      'networkPolicy.enabled=true',
    ])

    for (const { kind, metadata } of objects) {
      expect([kind, Object.keys(metadata.labels)]).toEqual([
        kind,
        expect.arrayContaining([
          'app.kubernetes.io/component',
          'app.kubernetes.io/instance',
          'app.kubernetes.io/managed-by',
          'app.kubernetes.io/name',
          'app.kubernetes.io/part-of',
          'app.kubernetes.io/version',
          'helm.sh/chart',
          'team',
        ]),
      ])
    }
    expect(Object.keys(only(objects, 'Deployment').spec.selector.matchLabels)).toHaveLength(3)
  })

  test.each([
    ['standalone', STANDALONE, 'rollout status deployment/shop-conjur-agent-secrets'],
    ['a Job', JOB, 'get job/shop-conjur-agent-secrets-'],
    ['a CronJob', [...JOB, 'job.schedule=@daily'], 'get cronjob/shop-conjur-agent-secrets'],
  ])('the notes of %s say in 15 lines what runs and what to do next', async (_, set, next) => {
    const flags = set.flatMap((value) => ['--set', value])
    const install = ['install', 'shop', CHART, '--namespace=conjur', '--dry-run=client', ...flags]
    const { stdout } = await run(helm ?? '', install)
    const notes = stdout.slice(stdout.indexOf('NOTES:')).trim()

    expect(notes.split('\n').length).toBeLessThanOrEqual(15)
    expect(notes).toContain(`→ 1 kubectl -n conjur ${next}`)
    expect(notes).toContain('→ 2 helm -n conjur test shop')
    expect(notes).toMatch(/→ 3 in a Secret of (shop|conjur), label/)
  })
})

/** Roles and bindings by kind and namespace, without what is Helm's. */
function rightsOf(objects: readonly Rendered[]): Record<string, unknown> {
  return Object.fromEntries(
    objects
      .filter(({ kind }) => kind.startsWith('Role'))
      .map(({ kind, metadata: { name, namespace }, rules, roleRef, subjects }) => [
        `${kind} ${namespace}/${name}`,
        { rules, roleRef, subjects },
      ]),
  )
}
