import { randomBytes } from 'node:crypto'

/** Names and numbers of a piece of work; never an id of a variable, a login or a value (P2). */
export type Attributes = Readonly<Record<string, string | number | boolean>>

export interface TracerOptions {
  /** What the process is: `service.name` and the like. */
  readonly resource: Attributes
  readonly version: string
  /** Epoch milliseconds, with a fraction. */
  readonly now: () => number
  /** Sends one OTLP request body, JSON; rejects where the collector did not take it. */
  readonly post: (body: string, signal: AbortSignal) => Promise<void>
  /** Told when the collector begins to fail; not again before it has taken something. */
  readonly onFailure: (why: string) => void
}

/** A piece of work that is done, of its own. */
export interface Done {
  readonly name: string
  readonly seconds: number
  readonly attributes: Attributes
}

/** Records what a process does as OpenTelemetry spans. Nothing that goes wrong here disturbs the work. */
export interface Tracer {
  /** Does a part of the whole under way; a rejection's code becomes the span's `error.type`. */
  part<T>(name: string, work: (note: (attributes: Attributes) => void) => Promise<T>): Promise<T>
  /** Ends the whole to which the parts since the last end belong, if there were any. */
  end(name: string, attributes: Attributes): void
  /** Records a whole without parts that has just ended, as a server's answer. */
  done(done: Done): void
  /** Sends what is left, for half a second at most. */
  close(): Promise<void>
}

/** Spans that wait for a collector which does not answer; later ones are dropped. */
const MOST_WAITING = 2048
const BATCH = 512
/** Spans are sent together, so long after the first of them has ended. */
const GATHER_MS = 1000
const POST_MS = 5000
/** A process that ends has a second in all (P7). */
const LAST_POST_MS = 500

const INTERNAL = 1
const SERVER = 2
const FAILED = 2

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly KeyValue[]
  readonly status: { readonly code?: number; readonly message?: string }
}

interface KeyValue {
  readonly key: string
  readonly value: Readonly<Record<string, string | number | boolean>>
}

export function createTracer(options: TracerOptions): Tracer {
  const waiting: Span[] = []
  let whole = nothingYet(options.now())
  // What is under way, innermost last: a request belongs to the login that sends it.
  const open: string[] = []
  let timer: NodeJS.Timeout | undefined
  let sending: Promise<void> | undefined
  let isFailing = false

  function record(span: Span): void {
    if (waiting.length < MOST_WAITING) waiting.push(span)
    timer ??= setTimeout(() => void flush(POST_MS), GATHER_MS).unref()
  }

  async function flush(atMostMs: number): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const signal = AbortSignal.timeout(atMostMs)
    await sending
    while (waiting.length > 0 && !signal.aborted) {
      sending = send(waiting.splice(0, BATCH), signal)
      await sending
    }
  }

  async function send(spans: readonly Span[], signal: AbortSignal): Promise<void> {
    try {
      await options.post(JSON.stringify(requestOf(spans, options)), signal)
      isFailing = false
    } catch (error) {
      if (!isFailing) options.onFailure(error instanceof Error ? error.message : 'unknown')
      isFailing = true
    }
  }

  return {
    async part(name, work) {
      const { now } = options
      const spanId = id(8)
      const startedAt = now()
      if (!whole.isUnderWay) whole = { ...nothingYet(startedAt), isUnderWay: true }
      const { traceId } = whole
      const parentSpanId = open.at(-1) ?? whole.spanId
      const attributes: Record<string, string | number | boolean> = {}
      const finish = (failure?: string): void => {
        open.splice(open.lastIndexOf(spanId), 1)
        record({
          traceId,
          spanId,
          parentSpanId,
          name,
          kind: INTERNAL,
          startTimeUnixNano: nano(startedAt),
          endTimeUnixNano: nano(now()),
          ...judged(attributes, failure),
        })
      }
      open.push(spanId)
      try {
        const result = await work((more) => Object.assign(attributes, more))
        finish()
        return result
      } catch (error) {
        finish(codeOf(error))
        throw error
      }
    },
    end(name, attributes) {
      if (!whole.isUnderWay) return
      const { traceId, spanId, startedAt } = whole
      const failure = attributes['error.type']
      record({
        traceId,
        spanId,
        name,
        kind: INTERNAL,
        startTimeUnixNano: nano(startedAt),
        endTimeUnixNano: nano(options.now()),
        ...judged(attributes, typeof failure === 'string' ? failure : undefined),
      })
      whole = nothingYet(options.now())
    },
    done({ name, seconds, attributes }) {
      const endedAt = options.now()
      record({
        traceId: id(16),
        spanId: id(8),
        name,
        kind: SERVER,
        startTimeUnixNano: nano(endedAt - seconds * 1000),
        endTimeUnixNano: nano(endedAt),
        ...judged(attributes),
      })
    },
    async close() {
      let last: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        last = setTimeout(resolve, LAST_POST_MS)
      })
      await Promise.race([flush(LAST_POST_MS), late])
      clearTimeout(last)
    },
  }
}

/** Headers as OTEL_EXPORTER_OTLP_HEADERS has them: `a=1,b=2`, values percent-encoded. */
export function headersOf(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(',').flatMap((pair) => {
    const at = pair.indexOf('=')
    return at < 1 ? [] : [[pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())]]
  })
  return Object.fromEntries(pairs)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function nothingYet(startedAt: number) {
  return { isUnderWay: false, traceId: id(16), spanId: id(8), startedAt }
}

function judged(attributes: Attributes, failure?: string): Pick<Span, 'attributes' | 'status'> {
  return failure === undefined
    ? { attributes: keyValues(attributes), status: {} }
    : {
        attributes: keyValues({ ...attributes, 'error.type': failure }),
        status: { code: FAILED, message: failure },
      }
}

/** The code of an error, which is one of a documented list; of others the class. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/** The body of an export: ExportTraceServiceRequest in OTLP's JSON. */
function requestOf(spans: readonly Span[], { resource, version }: TracerOptions): unknown {
  const scope = { name: 'conjur-agent', version }
  const attributes = keyValues(resource)
  return { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope, spans }] }] }
}

function keyValues(attributes: Attributes): readonly KeyValue[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: valueOf(value) }))
}

function valueOf(value: string | number | boolean): KeyValue['value'] {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  // 64-bit integers are texts in protobuf's JSON.
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}

function nano(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n)
}

function id(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}
