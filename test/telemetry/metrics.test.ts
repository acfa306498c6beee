import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { createMetrics } from '../../src/telemetry/metrics.ts'

test('counters, gauges and histograms are written as Prometheus reads them', () => {
  const metrics = createMetrics()
  const counter = metrics.counter({
    name: 'a_total',
    help: 'As.',
    series: [{ result: 'ok' }, { result: 'error' }],
  })
  const gauge = metrics.gauge({ name: 'b_seconds', help: 'Bs.' })
  const histogram = metrics.histogram({ name: 'c_seconds', help: 'Cs.', buckets: [0.1, 1] })

  counter.add({ result: 'ok' })
  gauge.set(1.5, { output: 'x"y\\z' })
  histogram.observe(0.05)
  histogram.observe(5)

  expect(metrics.text()).toBe(
    [
      '# HELP a_total As.',
      '# TYPE a_total counter',
      'a_total{result="ok"} 1',
      'a_total{result="error"} 0',
      '# HELP b_seconds Bs.',
      '# TYPE b_seconds gauge',
      'b_seconds{output="x\\"y\\\\z"} 1.5',
      '# HELP c_seconds Cs.',
      '# TYPE c_seconds histogram',
      'c_seconds_bucket{le="0.1"} 1',
      'c_seconds_bucket{le="1"} 1',
      'c_seconds_bucket{le="+Inf"} 2',
      'c_seconds_sum 5.05',
      'c_seconds_count 2',
      '',
    ].join('\n'),
  )
})

const promtool = spawnSync('promtool', ['--version']).status === 0

test.skipIf(!promtool)('promtool finds nothing to say about the agent’s metrics', async () => {
  const { createMeasures } = await import('../../src/agent/measures.ts')
  const measures = createMeasures({ version: '1.0.0', mode: 'sidecar' })
  measures.requested({ operation: 'retrieve', status: '200', seconds: 0.02 })

  const { stdout, stderr, status } = spawnSync('promtool', ['check', 'metrics'], {
    input: measures.text(),
  })

  expect(String(stdout) + String(stderr)).toBe('')
  expect(status).toBe(0)
})
