import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { chartReadme, charts, readValues, valuesSchema } from '../../.config/chart.ts'
import { loadSettings } from '../../src/injector/load-settings.ts'
import { CHART, ENOUGH, findHelm, only, render } from '../support/helm.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const read = (path: string): string => readFileSync(`${CHART}/${path}`, 'utf8')

test.each(charts)('%s: README and schema are what values.yaml makes of them', (chart) => {
  const readIt = (path: string): string => readFileSync(`charts/${chart}/${path}`, 'utf8')
  const its = readValues(readIt('values.yaml'))

  expect(readIt('README.md')).toBe(chartReadme(chart, its))
  expect(readIt('values.schema.json')).toBe(
    `${JSON.stringify(valuesSchema(chart, its), null, 2)}\n`,
  )
})

test('every alert has its runbook, and every runbook its alert', () => {
  const { alerts } = parse(read('files/alerts.yaml'))
  const names = alerts.map(({ alert }: { alert: string }) =>
    alert.replaceAll(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase(),
  )
  const pages = readdirSync('docs/runbooks').map((file) => file.replace('.md', ''))

  expect(pages.toSorted((a, b) => a.localeCompare(b))).toEqual(
    names.toSorted((a: string, b: string) => a.localeCompare(b)),
  )
})

test('values.yaml can be read through', () => {
  expect(read('values.yaml').split('\n').length).toBeLessThanOrEqual(252)
})

test.each(charts)('%s, program and image have one version', (name) => {
  const chart = parse(readFileSync(`charts/${name}/Chart.yaml`, 'utf8'))
  const program = JSON.parse(readFileSync('package.json', 'utf8'))

  expect([chart.version, chart.appVersion]).toEqual([program.version, program.version])
})

const helm = findHelm()
if (helm === undefined) {
  process.stderr.write(
    'skipped: chart rendering, since there is no helm (npm run test:e2e brings it)\n',
  )
}

describe.skipIf(helm === undefined)('rendered by helm', () => {
  const rendered = (options: Parameters<typeof render>[1]) => render(helm ?? '', options)

  test.each(readdirSync(`${CHART}/ci`))('ci/%s renders', async (file) => {
    const objects = await rendered({ set: [], files: [`${CHART}/ci/${file}`] })

    expect(only(objects, 'MutatingWebhookConfiguration').webhooks).toHaveLength(1)
  })

  test.each([
    ['conjur.applianceUrl', 'conjur.applianceUrl=https://conjur.example.com'],
    ['conjur.account', 'conjur.account=acme'],
    ['conjur.authenticator', 'conjur.authenticator=authn-jwt/prod'],
  ])('without %s the render fails and shows the value written out', async (name, written) => {
    const set = ENOUGH.filter((value) => !value.startsWith(name))

    await expect(rendered({ set })).rejects.toThrow(`${name} is not set: add --set ${written}`)
  })

  test.each([
    ['a typo', 'agent.mod=init', "additional properties 'mod' not allowed"],
    ['an unknown mode', 'agent.mode=daemon', "value must be one of 'sidecar', 'init', 'both'"],
    ['an http address', 'conjur.applianceUrl=http://x', 'does not match pattern'],
    ['one of two', String.raw`conjur.applianceUrl=https://a\,http://x`, 'does not match pattern'],
    ['a short token life', 'token.expirationSeconds=60', 'minimum: got 60, want 600'],
    ['a text for a number', 'injector.replicaCount=two', 'got string, want integer'],
    ['an interval without unit', 'agent.refreshInterval=5', 'got number, want string'],
    ['a bare name for an authenticator', 'conjur.authenticator=prod', 'does not match pattern'],
  ])('%s is refused by the schema', async (_, value, why) => {
    await expect(rendered({ set: [...ENOUGH, value] })).rejects.toThrow(why)
  })

  test('several addresses of Conjur reach the injector as they are written', async () => {
    const several = 'https://a.example.com, https://b.example.com'
    const set = [...ENOUGH, `conjur.applianceUrl=${several.replace(',', String.raw`\,`)}`]

    expect(JSON.stringify(await rendered({ set }))).toContain(`"${several}"`)
  })

  test('the webhook is sent opted-in pods only, and none of the system or the release', async () => {
    const [webhook] = only(await rendered({}), 'MutatingWebhookConfiguration').webhooks

    expect(webhook).toMatchObject({
      failurePolicy: 'Fail',
      reinvocationPolicy: 'IfNeeded',
      sideEffects: 'NoneOnDryRun',
      matchConditions: [{ name: 'opted-in' }],
    })
    expect(webhook.namespaceSelector.matchExpressions).toEqual([
      {
        key: 'kubernetes.io/metadata.name',
        operator: 'NotIn',
        values: ['kube-system', 'kube-public', 'kube-node-lease', 'conjur'],
      },
    ])
  })

  test('with match: label an object selector takes the place of the match condition', async () => {
    const set = [...ENOUGH, 'injector.match=label']
    const [webhook] = only(await rendered({ set }), 'MutatingWebhookConfiguration').webhooks

    expect(webhook).not.toHaveProperty('matchConditions')
    expect(webhook.objectSelector).toEqual({
      matchExpressions: [{ key: 'conjur.org/inject', operator: 'Exists' }],
    })
  })

  test('match: annotation on an old cluster fails with the value to set', async () => {
    await expect(rendered({ flags: ['--kube-version=1.29.0'] })).rejects.toThrow(
      'injector.match=annotation needs Kubernetes 1.30: add --set injector.match=label',
    )
  })

  test('agent.idle=hibernate without the image that has a shell fails with the value to set', async () => {
    await expect(rendered({ set: [...ENOUGH, 'agent.idle=hibernate'] })).rejects.toThrow(
      /agent\.idle=hibernate needs an image with a shell: add --set agent\.hibernateImage=\S+-hibernate/,
    )
  })

  test('the injector reads its config file as the chart writes it', async () => {
    const set = [
      ...ENOUGH,
      'conjur.loginTemplate=host/apps/{namespace}/{serviceAccount}',
      'agent.mode=both',
      'agent.idle=hibernate',
      'agent.hibernateImage=registry.example.com/conjur-agent:1-hibernate',
      'agent.seccompProfile=conjur-agent.json',
      'agent.resources.limits.memory=96Mi',
      'monitoring.podMonitor.enabled=true',
    ]
    const objects = await rendered({ set })
    const configMap = objects.find(({ kind }) => kind === 'ConfigMap')
    const [container] = only(objects, 'Deployment').spec.template.spec.containers
    await using directory = await temporaryDirectory()
    const config = join(directory.path, 'injector.yaml')
    await writeFile(config, configMap.data['injector.yaml'])
    const environment = Object.fromEntries(
      container.env.map(({ name, value }: { name: string; value?: string }) => [name, value]),
    )
    const { injection, certificate, audit } = await loadSettings({
      command: 'injector',
      flags: { config, image: 'agent:1' },
      positionals: [],
      environment: { ...environment, MY_POD_NAMESPACE: 'conjur' },
    })

    expect(injection.agent).toMatchObject({
      mode: 'both',
      seccompProfile: 'conjur-agent.json',
      metricsPort: 9464,
      resources: { limits: { memory: '96Mi' } },
    })
    expect(injection.conjur.loginTemplate).toBe('host/apps/{namespace}/{serviceAccount}')
    expect(certificate).toMatchObject({ mode: 'self', serviceName: 'shop-conjur-agent-injector' })
    expect(audit).toEqual({ enabled: true, interval: 300_000 })
  })

  test('two replicas in the restricted profile, spread softly, that go one after the other', async () => {
    const { spec } = only(await rendered({}), 'Deployment')
    const pod = spec.template.spec

    expect(spec.replicas).toBe(2)
    expect(spec.strategy.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 })
    expect(pod.securityContext).toEqual({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(pod.containers[0].securityContext).toEqual({
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
  })

  test('Node holds the injector to its own files, or to nothing where asked', async () => {
    const mount = 'injector.extraVolumeMounts[0]'
    const set = [...ENOUGH, `${mount}.name=ca`, `${mount}.mountPath=/etc/proxy-ca`]
    const commandOf = async (more: readonly string[]) =>
      only(await rendered({ set: [...set, ...more] }), 'Deployment').spec.template.spec
        .containers[0].command

    expect(await commandOf([])).toEqual([
      '/nodejs/bin/node',
      '--permission',
      '--allow-net',
      '--disable-warning=ExperimentalWarning',
      '--allow-fs-read=/app/dist',
      '--allow-fs-read=/etc/conjur-agent',
      '--allow-fs-read=/var/run/secrets/kubernetes.io/serviceaccount',
      '--allow-fs-read=/etc/proxy-ca',
      '--allow-fs-write=/proc/self/coredump_filter',
      '/app/dist/main.js',
    ])
    expect(await commandOf(['injector.permissionModel=false'])).toBeUndefined()
  })

  test('rights are few: its own Secret, Lease and webhook configuration by name, Events, pods to list', async () => {
    const objects = await rendered({})
    const name = 'shop-conjur-agent-injector'

    expect(only(objects, 'ClusterRole').rules).toEqual([
      { apiGroups: [''], resources: ['events'], verbs: ['create'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
      {
        apiGroups: ['admissionregistration.k8s.io'],
        resources: ['mutatingwebhookconfigurations'],
        resourceNames: [name],
        verbs: ['get', 'patch'],
      },
    ])
    expect(only(objects, 'Role').rules).toEqual([
      { apiGroups: [''], resources: ['secrets'], resourceNames: [name], verbs: ['get', 'patch'] },
      {
        apiGroups: ['coordination.k8s.io'],
        resources: ['leases'],
        resourceNames: [name],
        verbs: ['get', 'patch'],
      },
    ])
  })

  test('injected agents may have an image of their own, which the injector has not', async () => {
    const image = 'registry.example.com/conjur-agent:1-executable'
    const set = [...ENOUGH, `agent.image=${image}`]
    const [container] = only(await rendered({ set }), 'Deployment').spec.template.spec.containers

    expect(container.args).toContain(`--image=${image}`)
    expect(container.image).toBe('ghcr.io/example/conjur-agent:0.1.0')
  })

  test('an image by digest wins over its tag, for injector and agent alike', async () => {
    const digest = `sha256:${'a'.repeat(64)}`
    const set = [...ENOUGH, `image.digest=${digest}`, 'image.tag=v1', 'image.registry=']
    const [container] = only(await rendered({ set }), 'Deployment').spec.template.spec.containers

    expect(container.image).toBe(`example/conjur-agent@${digest}`)
    expect(container.args).toContain(`--image=example/conjur-agent@${digest}`)
  })

  test('cert-manager makes the certificate, and puts its CA into the webhook', async () => {
    const objects = await rendered({ set: [...ENOUGH, 'injector.certificate.mode=cert-manager'] })
    const webhook = only(objects, 'MutatingWebhookConfiguration')

    expect(webhook.metadata.annotations).toEqual({
      'cert-manager.io/inject-ca-from': 'conjur/shop-conjur-agent-injector',
    })
    expect(only(objects, 'Certificate').spec.issuerRef.name).toBe('shop-conjur-agent-injector')
    expect(objects.filter(({ kind }) => kind === 'Role' || kind === 'Lease')).toEqual([])
  })

  test('a supplied CA may be PEM or base64 of it', async () => {
    const set = [
      ...ENOUGH,
      'injector.certificate.mode=supplied',
      'injector.certificate.supplied.secretName=tls',
    ]
    const bundleOf = async (ca: string) => {
      const objects = await rendered({
        set: [...set, `injector.certificate.supplied.caBundle=${ca}`],
      })
      return only(objects, 'MutatingWebhookConfiguration').webhooks[0].clientConfig.caBundle
    }
    const pem = '-----BEGIN CERTIFICATE-----'

    expect(await bundleOf(pem)).toBe(Buffer.from(pem).toString('base64'))
    expect(await bundleOf('QUJD')).toBe('QUJD')
  })

  test('kinds that the cluster does not know are skipped, or fail where asked', async () => {
    const on = [...ENOUGH, 'monitoring.serviceMonitor.enabled=true']
    const skipped = await rendered({ set: on })

    expect(skipped.filter(({ kind }) => kind === 'ServiceMonitor')).toEqual([])
    await expect(
      rendered({ set: [...on, 'monitoring.serviceMonitor.whenMissing=fail'] }),
    ).rejects.toThrow('the cluster does not know monitoring.coreos.com/v1/ServiceMonitor')
  })

  test('every alert has a severity, a wait and a runbook; one can be changed or left out', async () => {
    const kind = 'monitoring.coreos.com/v1/PrometheusRule'
    const on = [...ENOUGH, 'monitoring.prometheusRule.enabled=true']
    const overrides = 'monitoring.prometheusRule.overrides.ConjurInjectorSlow.for=1h'
    const off = 'monitoring.prometheusRule.overrides.ConjurInjectorDown.enabled=false'
    const objects = await rendered({
      set: [...on, overrides, off],
      flags: [`--api-versions=${kind}`],
    })
    const { rules } = only(objects, 'PrometheusRule').spec.groups[0]

    expect(rules.map(({ alert }: { alert: string }) => alert)).not.toContain('ConjurInjectorDown')
    expect(rules.find(({ alert }: { alert: string }) => alert === 'ConjurInjectorSlow').for).toBe(
      '1h',
    )
    for (const rule of rules) {
      expect(rule).toMatchObject({
        for: expect.stringMatching(/^\d+[smh]$/),
        labels: { severity: expect.stringMatching(/^(warning|critical)$/) },
        annotations: { runbook_url: expect.stringMatching(/\/conjur-[a-z-]+\.md$/) },
      })
    }
  })

  test('every object has the six labels and the chart, and selectors have three', async () => {
    const objects = await rendered({ set: [...ENOUGH, 'commonLabels.team=platform'] })

    for (const { kind, metadata } of objects.filter(({ kind }) => kind !== 'Pod')) {
      expect([kind, Object.keys(metadata.labels).toSorted((a, b) => a.localeCompare(b))]).toEqual([
        kind,
        [
          'app.kubernetes.io/component',
          'app.kubernetes.io/instance',
          'app.kubernetes.io/managed-by',
          'app.kubernetes.io/name',
          'app.kubernetes.io/part-of',
          'app.kubernetes.io/version',
          'helm.sh/chart',
          'team',
        ],
      ])
    }
    expect(Object.keys(only(objects, 'Deployment').spec.selector.matchLabels)).toHaveLength(3)
  })

  test('switched off, nothing of the injector is left', async () => {
    const objects = await rendered({ set: [...ENOUGH, 'injector.enabled=false'] })

    expect(objects).toEqual([])
  })

  test('more objects are rendered as templates', async () => {
    const set = [
      ...ENOUGH,
      'extraObjects[0].apiVersion=v1',
      'extraObjects[0].kind=Endpoints',
      'extraObjects[0].metadata.name=x-{{ .Release.Name }}',
    ]

    expect(only(await rendered({ set }), 'Endpoints').metadata.name).toBe('x-shop')
  })
})
