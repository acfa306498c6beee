import * as v from 'valibot'
import { bodyOf, loopbackServer, type LoopbackServer } from './loopback-server.ts'

const value = v.union([
  v.strictObject({ stringValue: v.string() }),
  v.strictObject({ boolValue: v.boolean() }),
  v.strictObject({ intValue: v.pipe(v.string(), v.regex(/^-?\d+$/)) }),
  v.strictObject({ doubleValue: v.number() }),
])
const attributes = v.array(v.strictObject({ key: v.string(), value }))
const nano = v.pipe(v.string(), v.regex(/^\d{19}$/))
const span = v.strictObject({
  traceId: v.pipe(v.string(), v.regex(/^(?!0+$)[0-9a-f]{32}$/)),
  spanId: v.pipe(v.string(), v.regex(/^(?!0+$)[0-9a-f]{16}$/)),
  parentSpanId: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/))),
  name: v.string(),
  kind: v.picklist([1, 2, 3]),
  startTimeUnixNano: nano,
  endTimeUnixNano: nano,
  attributes,
  status: v.strictObject({ code: v.optional(v.literal(2)), message: v.optional(v.string()) }),
})

/** OTLP's ExportTraceServiceRequest in its JSON, as far as we write it; nothing else is taken. */
export const exportRequest = v.strictObject({
  resourceSpans: v.array(
    v.strictObject({
      resource: v.strictObject({ attributes }),
      scopeSpans: v.array(
        v.strictObject({
          scope: v.strictObject({ name: v.string(), version: v.string() }),
          spans: v.pipe(v.array(span), v.minLength(1)),
        }),
      ),
    }),
  ),
})

export type ExportRequest = v.InferOutput<typeof exportRequest>
export type Span = v.InferOutput<typeof span>

/** An OpenTelemetry collector on loopback that takes only what the protocol allows. */
export interface Collector extends LoopbackServer {
  readonly requests: readonly {
    readonly path: string
    readonly headers: Readonly<Record<string, string | string[] | undefined>>
    readonly body: ExportRequest
  }[]
  readonly spans: () => readonly Span[]
}

export async function startCollector(status: () => number = () => 200): Promise<Collector> {
  const requests: Collector['requests'][number][] = []
  const server = await loopbackServer((request, response) => {
    void bodyOf(request).then((text) => {
      const body = v.parse(exportRequest, JSON.parse(text))
      requests.push({ path: request.url ?? '', headers: request.headers, body })
      response.statusCode = status()
      response.setHeader('Content-Type', 'application/json')
      response.end('{}')
    })
  })
  return {
    ...server,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    requests,
    spans: () =>
      requests.flatMap(({ body }) =>
        body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      ),
  }
}
