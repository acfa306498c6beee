import { createMetrics, type Metrics } from '../telemetry/metrics.ts'
import { runtimeOf } from '../core/runtime.ts'
import type { Report } from './cycle.ts'

/** The agent's metrics, fed by passes and requests. */
export interface Measures {
  passed(report: Report, about: PassFacts): void
  requested(about: {
    readonly operation: string
    readonly status: string
    readonly seconds: number
  }): void
  reloaded(about: { readonly result: 'done' | 'absent' | 'failed' }): void
  text(): string
}

/** What a pass does not say itself. Times are milliseconds. */
interface PassFacts {
  readonly refreshIntervalMs: number | undefined
  readonly now: number
  /** When the access token ends; undefined if there is none. */
  readonly expiresAt: number | undefined
}

/** Of a process that ends before anybody could ask for its metrics. */
export const UNMEASURED: Measures = {
  passed: () => undefined,
  requested: () => undefined,
  reloaded: () => undefined,
  text: () => '',
}

const RESULTS = ['ok', 'error'] as const

export function createMeasures(info: { version: string; mode: string }): Measures {
  const metrics: Metrics = createMetrics()
  metrics
    .gauge({ name: 'conjur_agent_build_info', help: 'Always 1; what runs.' })
    .set(1, { version: info.version, engine: runtimeOf(process).name, mode: info.mode })
  const series = RESULTS.map((result) => ({ result }))
  const refreshes = metrics.counter({
    name: 'conjur_agent_refresh_total',
    help: 'Passes that read values, by result.',
    series,
  })
  const logins = metrics.counter({
    name: 'conjur_agent_logins_total',
    help: 'Access tokens asked for, by result.',
    series,
  })
  const errors = metrics.counter({
    name: 'conjur_agent_errors_total',
    help: 'Failures, by error code.',
    series: [
      'CONJUR_UNREACHABLE',
      'CONJUR_UNAVAILABLE',
      'CONJUR_UNAUTHENTICATED',
      'CONJUR_FORBIDDEN',
    ].map((code) => ({ code })),
  })
  const publishes = metrics.counter({
    name: 'conjur_agent_publishes_total',
    help: 'Changes written, by output.',
  })
  const reloads = metrics.counter({
    name: 'conjur_agent_reloads_total',
    help: 'Applications told of a change, by result.',
    series: ['done', 'absent', 'failed'].map((result) => ({ result })),
  })
  const lastSuccess = metrics.gauge({
    name: 'conjur_agent_last_success_timestamp_seconds',
    help: 'When an output was last seen to be as Conjur has it.',
  })
  const interval = metrics.gauge({
    name: 'conjur_agent_refresh_interval_seconds',
    help: 'Time until an output is looked at again.',
  })
  const expiry = metrics.gauge({
    name: 'conjur_agent_access_token_expiry_timestamp_seconds',
    help: 'When the access token ends.',
  })
  const lifetime = metrics.gauge({
    name: 'conjur_agent_access_token_lifetime_seconds',
    help: 'How long the access token lives from its issue.',
  })
  const durations = metrics.histogram({
    name: 'conjur_agent_request_duration_seconds',
    help: 'Requests to Conjur and to the platform, by operation and HTTP status or failure.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  })
  return {
    passed(report, { refreshIntervalMs, now, expiresAt }) {
      const failure = report.error ?? report.outputErrors[0]
      const isLoginFailure = failure !== undefined && report.memory.held === undefined
      if (report.loggedIn) logins.add({ result: 'ok' })
      else if (isLoginFailure) logins.add({ result: 'error' })
      if (report.outcomes.size > 0 || failure !== undefined) {
        refreshes.add({ result: failure === undefined ? 'ok' : 'error' })
      }
      for (const error of [report.error, ...report.outputErrors]) {
        if (error !== undefined) errors.add({ code: error.code })
      }
      for (const { name, state } of report.published) {
        if (state === 'written' || state === 'removed') publishes.add({ output: name })
        if (state === 'written' || state === 'same') lastSuccess.set(now / 1000, { output: name })
        if (refreshIntervalMs !== undefined)
          interval.set(refreshIntervalMs / 1000, { output: name })
      }
      const { held } = report.memory
      if (held === undefined || expiresAt === undefined) return
      expiry.set(expiresAt / 1000)
      lifetime.set(held.token.lifetimeMs / 1000)
    },
    requested({ operation, status, seconds }) {
      durations.observe(seconds, { operation, status })
    },
    reloaded({ result }) {
      reloads.add({ result })
    },
    text: () => metrics.text(),
  }
}
