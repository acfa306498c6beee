import { expect, test } from 'vitest'
import type { Problem } from '../../src/config/problems.ts'
import { review } from '../../src/injector/review.ts'
import { openTracing, readTraces } from '../../src/injector/traces.ts'
import { startCollector } from '../support/collector.ts'
import { logLines } from '../support/log-lines.ts'
import { contextWith, creating, pod } from './pods.ts'

test('without a collector nothing is made', async () => {
  const problems: Problem[] = []
  const traces = await readTraces({ CONJUR_ACCOUNT: 'acme' }, problems)
  const tracing = await openTracing(traces, logLines().log)

  tracing.answered({
    request: undefined,
    answer: { outcome: 'malformed', message: 'm' },
    seconds: 1,
  })
  await tracing.close()

  expect([traces, problems]).toEqual([undefined, []])
})

test('P6 only what is wrong with the traces is told here', async () => {
  const problems: Problem[] = []

  await readTraces({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'ftp://x' }, problems)

  expect(problems.map(({ name }) => name)).toEqual(['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'])
})

test('P2 a review is a span with its outcome, and nothing of the pod', async () => {
  await using collector = await startCollector()
  const traces = await readTraces(
    {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${collector.port}/t`,
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=k',
    },
    [],
  )
  const tracing = await openTracing(traces, logLines().log)
  const request = creating(pod({}, {}, { name: 'canary' }))
  const answer = await review(request, await contextWith())

  tracing.answered({ request, answer, seconds: 0.002 })
  tracing.answered({
    request: undefined,
    answer: { outcome: 'malformed', message: 'canary' },
    seconds: 0,
  })
  await tracing.close()

  expect(collector.requests.map(({ path, headers }) => [path, headers['api-key']])).toEqual([
    ['/t', 'k'],
  ])
  expect(collector.spans().map(({ name, kind, attributes }) => [name, kind, attributes])).toEqual([
    [
      'review',
      2,
      [
        { key: 'conjur_injector.outcome', value: { stringValue: 'injected' } },
        { key: 'conjur_injector.reason', value: { stringValue: 'sidecar' } },
        { key: 'k8s.namespace.name', value: { stringValue: request.namespace } },
      ],
    ],
    [
      'review',
      2,
      [
        { key: 'conjur_injector.outcome', value: { stringValue: 'malformed' } },
        { key: 'k8s.namespace.name', value: { stringValue: '' } },
      ],
    ],
  ])
  const sent = JSON.stringify(collector.requests.map(({ body }) => body))
  expect(sent).toContain('conjur-agent-injector')
  expect(sent).not.toContain('canary')
})

test('a collector that refuses is one warning', async () => {
  await using collector = await startCollector(() => 503)
  const { log, lines } = logLines()
  const endpoint = `http://127.0.0.1:${collector.port}`
  const tracing = await openTracing(
    await readTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, []),
    log,
  )

  tracing.answered({
    request: undefined,
    answer: { outcome: 'malformed', message: 'm' },
    seconds: 0,
  })
  await tracing.close()

  expect(lines).toEqual([
    {
      level: 'warn',
      code: 'TRACES_FAILED',
      collector: `127.0.0.1:${collector.port}`,
      msg: `traces are not taken: 127.0.0.1:${collector.port} answers 503; reviews go on without them`,
    },
  ])
})
