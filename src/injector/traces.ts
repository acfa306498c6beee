import type { Logger } from 'pino'
import { readConfig, type AgentConfig } from '../config/load.ts'
import type { Problem } from '../config/problems.ts'
import type { Invocation } from '../core/invocation.ts'
import { VERSION } from '../core/version.ts'
import type { Answered } from './server.ts'

type Traces = NonNullable<AgentConfig['traces']>

/** Where the injector's own traces go, as an agent would read it; undefined where no collector is named. */
export async function readTraces(
  environment: Invocation['environment'],
  problems: Problem[],
): Promise<Traces | undefined> {
  const given = Object.entries(environment).filter(([name]) => name.startsWith('OTEL_'))
  const { partial, problems: found } = await readConfig({
    mode: 'sidecar',
    flags: {},
    annotations: undefined,
    file: undefined,
    environment: { OTEL_SERVICE_NAME: 'conjur-agent-injector', ...Object.fromEntries(given) },
  })
  problems.push(...found.filter(({ name }) => name.startsWith('OTEL_')))
  return partial.traces
}

/** Records reviews as spans. */
export interface ReviewTracing {
  readonly answered: (answered: Answered) => void
  readonly close: () => Promise<void>
}

/** A {@link ReviewTracing}; what makes spans is loaded only where a collector is named. */
export async function openTracing(traces: Traces | undefined, log: Logger): Promise<ReviewTracing> {
  if (traces === undefined) return { answered: () => undefined, close: async () => undefined }
  const { createTracer, headersOf } = await import('../telemetry/traces.ts')
  const { endpoint, headers, serviceName } = traces
  const tracer = createTracer({
    resource: { 'service.name': serviceName, 'service.version': VERSION },
    version: VERSION,
    now: () => performance.timeOrigin + performance.now(),
    async post(body, signal) {
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: { ...headersOf(headers.text()), 'Content-Type': 'application/json' },
        body,
        redirect: 'error',
        signal,
      })
      await response.arrayBuffer()
      if (!response.ok) throw new Error(`${endpoint.host} answers ${response.status}`)
    },
    onFailure(why) {
      const line = `traces are not taken: ${why}; reviews go on without them`
      log.warn({ code: 'TRACES_FAILED', collector: endpoint.host }, line)
    },
  })
  return {
    answered({ request, answer, seconds }) {
      const { outcome } = answer
      tracer.done({
        name: 'review',
        seconds,
        attributes: {
          'conjur_injector.outcome': outcome,
          ...(outcome === 'malformed' ? {} : { 'conjur_injector.reason': answer.reason }),
          'k8s.namespace.name': request?.namespace ?? '',
        },
      })
    },
    close: () => tracer.close(),
  }
}
