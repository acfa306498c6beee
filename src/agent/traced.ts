import type { Logger } from 'pino'
import type { AgentConfig } from '../config/load.ts'
import type { Send } from '../core/http.ts'
import { VERSION } from '../core/version.ts'
import { createSender } from '../net/send.ts'
import type { Output } from '../outputs/output.ts'
import { createTracer, headersOf, type Tracer } from '../telemetry/traces.ts'
import type { Assembly } from './assemble.ts'
import type { Report } from './cycle.ts'

/** The spans of an agent: a pass with what it does, each request to Conjur and the platform. */
export interface Tracing {
  /** The same pieces; what they do is recorded, and their end waits for the last export. */
  readonly pieces: (assembly: Assembly) => Assembly
  /** The same Send, each request recorded under the operation's name. */
  readonly request: (operation: string, send: Send) => Send
  /** Told of every pass when it is over. */
  readonly passed: (report: Report) => void
}

const CONNECT_MS = 3000
const LARGEST_REPLY = 64 * 1024

/** Opens the way to the collector that a configuration names. */
export function openTracing(
  traces: NonNullable<AgentConfig['traces']>,
  { config, log }: { readonly config: AgentConfig; readonly log: Logger },
): Tracing {
  const { proxy } = config.conjur
  const sender = createSender({ connectTimeoutMs: CONNECT_MS, proxy })
  const tracer = createTracer({
    resource: {
      'service.name': traces.serviceName,
      'service.version': VERSION,
      'conjur_agent.mode': config.mode,
    },
    version: VERSION,
    now: () => performance.timeOrigin + performance.now(),
    async post(body, signal) {
      const { status } = await sender.send({
        method: 'POST',
        url: traces.endpoint,
        headers: { ...headersOf(traces.headers.text()), 'Content-Type': 'application/json' },
        body,
        deadlineMs: CONNECT_MS,
        maxBodyBytes: LARGEST_REPLY,
        signal,
      })
      if (status < 200 || status > 299) throw new Error(`${traces.endpoint.host} answers ${status}`)
    },
    onFailure(why) {
      const line = `traces are not taken: ${why}; the agent goes on without them`
      log.warn({ code: 'TRACES_FAILED', collector: traces.endpoint.host }, line)
    },
  })
  return {
    pieces: (assembly) => ({
      ...assembly,
      stages: tracedStages(assembly.stages, tracer),
      async close() {
        await tracer.close()
        await Promise.all([assembly.close(), sender.close()])
      },
    }),
    request: (operation, send) => (request) =>
      tracer.part(`request ${operation}`, async (note) => {
        note({ 'http.request.method': request.method, 'server.address': request.url.hostname })
        const reply = await send(request)
        note({ 'http.response.status_code': reply.status })
        return reply
      }),
    passed({ loggedIn, error, outputErrors }) {
      const failure = error ?? outputErrors[0]
      tracer.end('pass', {
        'conjur_agent.logged_in': loggedIn,
        ...(failure === undefined ? {} : { 'error.type': failure.code }),
      })
    },
  }
}

function tracedStages(stages: Assembly['stages'], tracer: Tracer): Assembly['stages'] {
  const { identity, tokenOutput } = stages
  return {
    ...stages,
    identity: {
      ...identity,
      token: (signal) => tracer.part('platform token', () => identity.token(signal)),
    },
    authenticate: (credential, signal) =>
      tracer.part('login', () => stages.authenticate(credential, signal)),
    retrieve: (token, signal) =>
      tracer.part('retrieve', async (note) => {
        const retrieved = await stages.retrieve(token, signal)
        note({ 'conjur_agent.variables': retrieved.outcomes.size })
        return retrieved
      }),
    tokenOutput: tokenOutput && tracedOutput(tokenOutput, tracer),
    outputs: stages.outputs.map((output) => tracedOutput(output, tracer)),
  }
}

function tracedOutput(output: Output, tracer: Tracer): Output {
  return {
    ...output,
    publish: (snapshot, signal) =>
      tracer.part('publish', async (note) => {
        const published = await output.publish(snapshot, signal)
        const written = published.filter(({ state }) => state === 'written').length
        note({ 'conjur_agent.files': published.length, 'conjur_agent.written': written })
        return published
      }),
  }
}
