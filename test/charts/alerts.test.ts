import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { CHART, ENOUGH, findHelm, only, render } from '../support/helm.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Alert {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly severity: string
}

const { alerts } = parse(readFileSync(`${CHART}/files/alerts.yaml`, 'utf8')) as { alerts: Alert[] }
const hasPromtool = spawnSync('promtool', ['--version']).status === 0
const helm = findHelm()

/** One sample a minute; `a+bxn` is Prometheus' notation for n steps of b. */
interface Story {
  readonly series: Readonly<Record<string, string>>
  readonly fires: string
  readonly clears: string
  readonly labels?: Readonly<Record<string, string>>
}

const WEB = { namespace: 'shop', pod: 'web' }
const web = (more = ''): string => `{namespace="shop",pod="web"${more}}`

const stories: Readonly<Record<string, Story>> = {
  ConjurAgentAccessTokenRunningOut: {
    series: {
      [`conjur_agent_access_token_expiry_timestamp_seconds${web()}`]: '480x7 1440x10',
      [`conjur_agent_access_token_lifetime_seconds${web()}`]: '480x20',
    },
    fires: '7m',
    clears: '9m',
    labels: WEB,
  },
  ConjurAgentAccessTokenExpired: {
    series: {
      [`conjur_agent_access_token_expiry_timestamp_seconds${web()}`]: '480x10 3000x10',
    },
    fires: '10m',
    clears: '12m',
    labels: WEB,
  },
  ConjurAgentOutputStale: {
    series: {
      [`conjur_agent_last_success_timestamp_seconds${web(',output="db.json"')}`]: '0x14 900x10',
      [`conjur_agent_refresh_interval_seconds${web(',output="db.json"')}`]: '60x30',
    },
    fires: '10m',
    clears: '16m',
    labels: { ...WEB, output: 'db.json' },
  },
  ConjurAgentRefused: {
    series: {
      [`conjur_agent_errors_total${web(',code="CONJUR_FORBIDDEN"')}`]: '0+1x30 30x40',
    },
    fires: '25m',
    clears: '60m',
    labels: { ...WEB, code: 'CONJUR_FORBIDDEN' },
  },
  ConjurAgentRefreshFailing: {
    series: {
      [`conjur_agent_refresh_total${web(',result="error"')}`]: '0+1x40 40x40',
      [`conjur_agent_refresh_total${web(',result="ok"')}`]: '5x40 5+1x40',
    },
    fires: '35m',
    clears: '75m',
    labels: WEB,
  },
  ConjurUnreachableForMany: {
    series: {
      [`conjur_agent_errors_total${web(',code="CONJUR_UNREACHABLE"')}`]: '0+1x15 15x30',
      [`conjur_agent_errors_total{namespace="shop",pod="api",code="CONJUR_UNREACHABLE"}`]: '0x45',
      [`conjur_agent_build_info${web()}`]: '1x45',
      [`conjur_agent_build_info{namespace="shop",pod="api"}`]: '1x45',
    },
    fires: '10m',
    clears: '30m',
  },
  ConjurInjectorDown: {
    series: {
      'kube_deployment_status_replicas_ready{deployment="conjur-agent-injector"}': '0x10 2x10',
    },
    fires: '6m',
    clears: '12m',
    labels: { deployment: 'conjur-agent-injector' },
  },
  ConjurInjectorSlow: {
    series: {
      'conjur_injector_review_duration_seconds_bucket{le="1"}': '0x30 0+100x40',
      'conjur_injector_review_duration_seconds_bucket{le="2.5"}': '0+10x30 300+100x40',
      'conjur_injector_review_duration_seconds_bucket{le="+Inf"}': '0+10x30 300+100x40',
    },
    fires: '20m',
    clears: '50m',
  },
  ConjurInjectorRefusing: {
    series: {
      'conjur_injector_reviews_total{outcome="refused",reason="annotations"}': '0+1x30 30x40',
    },
    fires: '25m',
    clears: '60m',
    labels: { reason: 'annotations' },
  },
  ConjurInjectorMissedPods: {
    series: { 'conjur_injector_missed_pods{namespace="shop"}': '2x15 0x10' },
    fires: '12m',
    clears: '18m',
    labels: { namespace: 'shop' },
  },
  ConjurInjectorCertificateExpiring: {
    series: {
      'conjur_injector_certificate_expiry_timestamp_seconds{kind="leaf"}': '500000x20 9000000x10',
    },
    fires: '12m',
    clears: '22m',
    labels: { kind: 'leaf' },
  },
  ConjurInjectorCertificateExpired: {
    series: {
      'conjur_injector_certificate_expiry_timestamp_seconds{kind="ca"}': '60000x20 9000000x10',
    },
    fires: '3m',
    clears: '22m',
    labels: { kind: 'ca' },
  },
}

test('every alert has a story in which it fires and clears', () => {
  expect(Object.keys(stories)).toEqual(alerts.map(({ alert }) => alert))
})

test.skipIf(!hasPromtool).each(alerts)('$alert fires, and clears', async (alert) => {
  const { series, fires, clears, labels } = stories[alert.alert]!
  const { expr, severity } = alert
  const rule = { alert: alert.alert, expr, for: alert.for, labels: { severity } }
  await using directory = await temporaryDirectory()
  const [rules, tests] = [join(directory.path, 'rules.yaml'), join(directory.path, 'tests.yaml')]
  await writeFile(rules, stringify({ groups: [{ name: 'conjur-agent', rules: [rule] }] }))
  const firing = [{ exp_labels: { severity, ...labels } }]
  const script = {
    rule_files: [rules],
    evaluation_interval: '30s',
    tests: [
      {
        interval: '1m',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        alert_rule_test: [
          { alertname: alert.alert, eval_time: fires, exp_alerts: firing },
          { alertname: alert.alert, eval_time: clears, exp_alerts: [] },
        ],
      },
    ],
  }
  await writeFile(tests, stringify(script))
  const { stdout, stderr, status } = spawnSync('promtool', ['test', 'rules', tests], {
    encoding: 'utf8',
  })

  expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, ''])
})

test.skipIf(!hasPromtool || helm === undefined)(
  'promtool accepts the rules as rendered',
  async () => {
    const rendered = await render(helm ?? '', {
      set: [...ENOUGH, 'monitoring.prometheusRule.enabled=true'],
      flags: ['--api-versions=monitoring.coreos.com/v1/PrometheusRule'],
    })
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'rules.yaml')
    await writeFile(path, stringify(only(rendered, 'PrometheusRule').spec))
    const { stdout, stderr, status } = spawnSync('promtool', ['check', 'rules', path], {
      encoding: 'utf8',
    })

    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain('12 rules found')
  },
)
