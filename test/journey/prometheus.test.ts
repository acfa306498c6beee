import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { stringify } from 'yaml'
import { pod } from '../injector/pods.ts'
import { testCa } from '../support/certificate.ts'
import { freePort } from '../support/free-port.ts'
import { CHART, ENOUGH, findHelm, only, render } from '../support/helm.ts'
import { review, startInjector } from '../support/injector-process.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { workbench } from '../support/workbench.ts'

const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0
const helm = findHelm()
const dashboard = JSON.parse(readFileSync(`${CHART}/files/dashboard.json`, 'utf8')) as {
  panels: { title: string; targets?: { expr: string }[] }[]
}

test.skipIf(!hasPrometheus)(
  'a real Prometheus scrapes agent and injector, evaluates the rules of the chart and answers every panel',
  async () => {
    await using bench = await workbench()
    await using directory = await temporaryDirectory()
    const metricsPort = await freePort()
    const agent = bench.start(['sidecar'], {
      CONJUR_METRICS_LISTEN: `127.0.0.1:${metricsPort}`,
      CONJUR_SECRETS_REFRESH_INTERVAL: '1s',
    })
    await agent.line(({ code }) => code === 'PUBLISHED')
    const ca = await testCa()
    const injector = await startInjector(directory.path, await ca.issue())
    onTestFinished(async () => void (await injector.stop()))
    await review(injector.port, ca.cert, pod())
    const statusPort = new URL((await injector.status('/readyz')).url).port
    const rules = join(directory.path, 'rules.yml')
    if (helm !== undefined) {
      const set = [...ENOUGH, 'monitoring.prometheusRule.enabled=true']
      const flags = ['--api-versions=monitoring.coreos.com/v1/PrometheusRule']
      const rendered = await render(helm, { set, flags })
      await writeFile(rules, stringify(only(rendered, 'PrometheusRule').spec))
    }
    const labels = { namespace: 'shop', pod: 'web' }
    const configuration = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: helm === undefined ? [] : [rules],
      scrape_configs: [
        { job_name: 'agent', static_configs: [{ targets: [`127.0.0.1:${metricsPort}`], labels }] },
        { job_name: 'injector', static_configs: [{ targets: [`127.0.0.1:${statusPort}`] }] },
      ],
    }
    const file = join(directory.path, 'prometheus.yml')
    await writeFile(file, stringify(configuration))
    const port = await freePort()
    const prometheus = spawn(
      'prometheus',
      [
        `--config.file=${file}`,
        `--storage.tsdb.path=${join(directory.path, 'tsdb')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    )
    onTestFinished(() => void prometheus.kill('SIGKILL'))
    const ask = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)
      return (await response.json()) as { readonly status: string; readonly data: Answer }
    }
    const query = (expr: string) => ask(`query?query=${encodeURIComponent(expr)}`)
    const series = async (expr: string): Promise<number> =>
      (await query(expr)).data.result?.length ?? 0

    await expect.poll(() => series('up == 1').catch(() => 0), { timeout: 40_000 }).toBe(2)
    await expect
      .poll(() => series('rate(conjur_agent_refresh_total[1m]) > 0'), { timeout: 40_000 })
      .toBe(1)

    for (const name of [
      'conjur_agent_access_token_expiry_timestamp_seconds{pod="web"}',
      'conjur_agent_last_success_timestamp_seconds',
      'conjur_injector_reviews_total{outcome="injected"} == 1',
    ]) {
      expect(await series(name), name).toBeGreaterThan(0)
    }
    const panels = dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({
        title,
        expr: expr.replaceAll('$namespace', '.*').replaceAll('$pod', '.*'),
      })),
    )
    expect(panels.length).toBeGreaterThan(15)
    for (const { title, expr } of panels) {
      expect(await query(expr), title).toMatchObject({ status: 'success' })
    }
    if (helm === undefined) return
    const groups = async () => (await ask('rules')).data.groups ?? []
    await expect
      .poll(
        async () => (await groups()).flatMap(({ rules: each }) => each.map(({ health }) => health)),
        {
          timeout: 40_000,
        },
      )
      .not.toContain('unknown')
    const evaluated = (await groups()).flatMap(({ rules: each }) => each)
    expect(evaluated.length).toBeGreaterThan(8)
    expect(evaluated.filter(({ health }) => health !== 'ok')).toEqual([])
  },
)

interface Answer {
  readonly result?: readonly unknown[]
  readonly groups?: readonly { readonly rules: readonly { readonly health: string }[] }[]
}
