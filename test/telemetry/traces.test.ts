import * as v from 'valibot'
import { expect, test, vi } from 'vitest'
import { createTracer, headersOf, type Tracer } from '../../src/telemetry/traces.ts'
import { exportRequest, type Span } from '../support/collector.ts'

interface Tracing {
  readonly tracer: Tracer
  readonly failures: string[]
  /** Every span that was sent. */
  readonly spans: () => readonly Span[]
  readonly bodies: string[]
}

function tracing(post: () => Promise<void> = async () => undefined): Tracing {
  let now = 1_768_900_000_000
  const bodies: string[] = []
  const failures: string[] = []
  const tracer = createTracer({
    resource: { 'service.name': 'conjur-agent' },
    version: '1.2.3',
    now: () => (now += 1.5),
    post: (body) => {
      bodies.push(body)
      return post()
    },
    onFailure: (why) => failures.push(why),
  })
  const spans = (): readonly Span[] =>
    bodies.flatMap((body) =>
      v
        .parse(exportRequest, JSON.parse(body))
        .resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
    )
  return { tracer, failures, spans, bodies }
}

test('a whole has its parts below it, and they their own', async () => {
  const { tracer, spans } = tracing()

  await tracer.part('login', () => tracer.part('request', async () => undefined))
  await tracer.part('retrieve', async () => undefined)
  tracer.end('pass', { 'conjur_agent.logged_in': true })
  await tracer.close()

  const [request, login, retrieve, pass] = spans()
  expect(spans().map(({ name }) => name)).toEqual(['request', 'login', 'retrieve', 'pass'])
  expect(request?.parentSpanId).toBe(login?.spanId)
  expect([login?.parentSpanId, retrieve?.parentSpanId]).toEqual([pass?.spanId, pass?.spanId])
  expect(pass?.parentSpanId).toBeUndefined()
  expect(new Set(spans().map(({ traceId }) => traceId)).size).toBe(1)
  expect(pass?.attributes).toEqual([{ key: 'conjur_agent.logged_in', value: { boolValue: true } }])
  expect(Number(BigInt(login?.endTimeUnixNano ?? 0) - BigInt(login?.startTimeUnixNano ?? 0))).toBe(
    4_500_000,
  )
})

test('each whole is a trace of its own, and one without parts is none', async () => {
  const { tracer, spans } = tracing()

  for (let pass = 0; pass < 2; pass++) {
    await tracer.part('retrieve', async () => undefined)
    tracer.end('pass', {})
    tracer.end('pass', {})
  }
  await tracer.close()

  expect(spans().map(({ name }) => name)).toEqual(['retrieve', 'pass', 'retrieve', 'pass'])
  expect(new Set(spans().map(({ traceId }) => traceId)).size).toBe(2)
})

test('P2 a part that fails says its code and nothing of its message', async () => {
  const { tracer, spans, bodies } = tracing()
  const coded = Object.assign(new Error('canary'), { code: 'CONJUR_FORBIDDEN' })

  const thrown: unknown[] = []
  for (const error of [coded, new TypeError('canary'), 'canary']) {
    await tracer.part('retrieve', () => Promise.reject(error)).catch((one) => thrown.push(one))
  }
  tracer.end('pass', { 'error.type': 'CONJUR_FORBIDDEN' })
  await tracer.close()

  expect(thrown).toEqual([coded, new TypeError('canary'), 'canary'])
  expect(spans().map(({ status }) => status)).toEqual([
    { code: 2, message: 'CONJUR_FORBIDDEN' },
    { code: 2, message: 'TypeError' },
    { code: 2, message: 'unknown' },
    { code: 2, message: 'CONJUR_FORBIDDEN' },
  ])
  expect(bodies.join('')).not.toContain('canary')
})

test('what a part notes stands in its span, numbers as the protocol has them', async () => {
  const { tracer, spans } = tracing()

  await tracer.part('request', async (note) => {
    note({ 'http.request.method': 'GET' })
    note({ 'http.response.status_code': 200, half: 0.5 })
  })
  tracer.done({ name: 'review', seconds: 0.25, attributes: { outcome: 'injected' } })
  await tracer.close()

  expect(spans()[0]?.attributes).toEqual([
    { key: 'http.request.method', value: { stringValue: 'GET' } },
    { key: 'http.response.status_code', value: { intValue: '200' } },
    { key: 'half', value: { doubleValue: 0.5 } },
  ])
  const review = spans()[1]
  expect([review?.name, review?.kind, review?.parentSpanId]).toEqual(['review', 2, undefined])
  expect(BigInt(review?.endTimeUnixNano ?? 0) - BigInt(review?.startTimeUnixNano ?? 0)).toBe(
    250_000_000n,
  )
})

test('a collector that fails is told once, and again after it had taken something', async () => {
  let fails = true
  const { tracer, failures, bodies } = tracing(async () => {
    if (fails) throw new Error('refused')
  })
  const pass = async (): Promise<void> => {
    await tracer.part('retrieve', async () => undefined)
    tracer.end('pass', {})
    await tracer.close()
  }

  await pass()
  await pass()
  const before = [...failures]
  fails = false
  await pass()
  fails = true
  await pass()

  expect(before).toEqual(['refused'])
  expect(failures).toEqual(['refused', 'refused'])
  expect(bodies).toHaveLength(4)
})

test('spans are sent together a second after the first, in batches, and not without end', async () => {
  vi.useFakeTimers()
  try {
    const { tracer, spans, bodies } = tracing()
    for (let index = 0; index < 3000; index++)
      tracer.done({ name: 'r', seconds: 0, attributes: {} })

    await vi.advanceTimersByTimeAsync(999)
    const before = bodies.length
    await vi.advanceTimersByTimeAsync(1)

    expect(before).toBe(0)
    expect(bodies).toHaveLength(4)
    expect(spans()).toHaveLength(2048)
  } finally {
    vi.useRealTimers()
  }
})

test('P7 a collector that hangs holds nobody up for more than half a second', async () => {
  vi.useFakeTimers()
  try {
    const { tracer } = tracing(() => new Promise(() => undefined))
    tracer.done({ name: 'r', seconds: 0, attributes: {} })
    let isClosed = false

    const closing = tracer.close().then(() => (isClosed = true))
    await vi.advanceTimersByTimeAsync(499)
    const before = isClosed
    await vi.advanceTimersByTimeAsync(1)
    await closing

    expect(before).toBe(false)
  } finally {
    vi.useRealTimers()
  }
})

test('headers are read as every OpenTelemetry program reads them', () => {
  expect(headersOf('')).toEqual({})
  expect(headersOf('api-key=a%20b, x=1=2,broken,=none,p=%zz')).toEqual({
    'api-key': 'a b',
    x: '1=2',
    p: '%zz',
  })
})
