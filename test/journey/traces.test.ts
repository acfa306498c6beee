import { afterEach, beforeEach, expect, test } from 'vitest'
import { logLines } from '../support/agent-process.ts'
import { startCollector, type Collector } from '../support/collector.ts'
import { CANARY, workbench, type Workbench } from '../support/workbench.ts'

let bench: Workbench
let collector: Collector
let status = 200

beforeEach(async () => {
  status = 200
  bench = await workbench()
  collector = await startCollector(() => status)
})

afterEach(async () => {
  await collector[Symbol.asyncDispose]()
  await bench[Symbol.asyncDispose]()
})

const to = (): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}/`,
  OTEL_EXPORTER_OTLP_HEADERS: `api-key=${CANARY}-header`,
})

test('P2 one pass is one trace: what it did, how long, with which status, and no name of a secret', async () => {
  const agent = bench.start(['init'], { ...to(), OTEL_SERVICE_NAME: 'shop-web' })

  expect((await agent.ended).code).toBe(0)
  const names = collector.spans().map(({ name }) => name)
  expect(names.toSorted()).toEqual(
    [
      'platform token',
      'request authenticate',
      'login',
      'publish',
      'request retrieve',
      'retrieve',
      'publish',
      'pass',
    ].toSorted(),
  )
  expect(new Set(collector.spans().map(({ traceId }) => traceId)).size).toBe(1)
  const request = collector.spans().find(({ name }) => name === 'request retrieve')
  expect(request?.attributes).toEqual([
    { key: 'http.request.method', value: { stringValue: 'GET' } },
    { key: 'server.address', value: { stringValue: expect.any(String) } },
    { key: 'http.response.status_code', value: { intValue: '200' } },
  ])
  const [first] = collector.requests
  expect(first?.path).toBe('/v1/traces')
  expect(first?.headers['api-key']).toBe(`${CANARY}-header`)
  expect(JSON.stringify(first?.body.resourceSpans[0]?.resource)).toContain('shop-web')
  const sent = JSON.stringify(collector.requests.map(({ body }) => body))
  for (const hidden of [CANARY, 'apps/', 'host/']) expect(sent).not.toContain(hidden)
  expect(agent.stderr()).not.toContain(CANARY)
})

test('a pass that fails is a trace that says with which code', async () => {
  const agent = bench.start(['init'], {
    ...to(),
    CONJUR_AUTHN_LOGIN: 'host/nobody',
    RETRY_COUNT_LIMIT: '0',
  })

  expect((await agent.ended).code).toBe(5)
  const pass = collector.spans().find(({ name }) => name === 'pass')
  expect(pass?.status).toEqual({ code: 2, message: 'CONJUR_UNAUTHENTICATED' })
})

test('a collector that refuses is one warning; the secrets come all the same', async () => {
  status = 503

  const agent = bench.start(['init'], to())

  expect((await agent.ended).code).toBe(0)
  expect(logLines(agent.stderr()).filter(({ code }) => code === 'TRACES_FAILED')).toMatchObject([
    {
      level: 'warn',
      msg: expect.stringMatching(/^traces are not taken: 127\.0\.0\.1:\d+ answers 503/),
    },
  ])
})

test('P6 an address of a collector that is none is a problem before anything is sent', async () => {
  const agent = bench.start(['init'], { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' })

  expect((await agent.ended).code).toBe(3)
  expect(agent.stderr()).toMatch(/nothing was sent/)
  expect(agent.stderr()).toMatch(
    /OTEL_EXPORTER_OTLP_ENDPOINT +"collector:4318" is neither http nor https/,
  )
})
