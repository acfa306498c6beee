import { createMetrics, type Labels } from '../telemetry/metrics.ts'
import type { Reason, Verdict } from './review.ts'

/** What Prometheus reads from the injector. */
export interface InjectorMetrics {
  reviewed(answer: { outcome: Outcome; reason: Reason | 'malformed'; seconds: number }): void
  certificateExpires(kind: 'leaf' | 'ca', atMs: number): void
  leads(leading: boolean): void
  /** Opted-in pods that run without the agent, by namespace; a namespace that has none any more is forgotten. */
  missed(byNamespace: ReadonlyMap<string, number>): void
  text(): string
}

type Outcome = Verdict['outcome'] | 'malformed'

/** In seconds; the budget is a 99th percentile of 25 ms, the webhook's timeout 5 s. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const

const reasons: Readonly<Record<Outcome, readonly (Reason | 'malformed')[]>> = {
  injected: ['sidecar', 'init', 'both', 'exec'],
  skipped: [
    'not-a-pod',
    'namespace',
    'not-opted-in',
    'opted-out',
    'mirror-pod',
    'windows',
    'already-injected',
  ],
  refused: ['opt-in-value', 'annotations', 'conflict'],
  malformed: ['malformed'],
}

export function createInjectorMetrics(): InjectorMetrics {
  const metrics = createMetrics()
  const reviews = metrics.counter({
    name: 'conjur_injector_reviews_total',
    help: 'Admission reviews answered, by outcome and reason.',
    series: Object.entries(reasons).flatMap(([outcome, list]) =>
      list.map((reason): Labels => ({ outcome, reason })),
    ),
  })
  const duration = metrics.histogram({
    name: 'conjur_injector_review_duration_seconds',
    help: 'Time from the whole request to the answer.',
    buckets: BUCKETS,
  })
  const expiry = metrics.gauge({
    name: 'conjur_injector_certificate_expiry_timestamp_seconds',
    help: 'When the serving certificate and its CA end.',
  })
  const leader = metrics.gauge({
    name: 'conjur_injector_leader',
    help: '1 where this replica rotates certificates and audits pods.',
  })
  const missed = metrics.gauge({
    name: 'conjur_injector_missed_pods',
    help: 'Opted-in pods that run without the agent.',
  })
  let counted: readonly string[] = []
  return {
    reviewed({ outcome, reason, seconds }) {
      reviews.add({ outcome, reason })
      duration.observe(seconds)
    },
    certificateExpires: (kind, atMs) => {
      expiry.set(atMs / 1000, { kind })
    },
    leads: (leading) => {
      leader.set(leading ? 1 : 0)
    },
    missed(byNamespace) {
      for (const namespace of counted) missed.remove({ namespace })
      for (const [namespace, count] of byNamespace) missed.set(count, { namespace })
      counted = [...byNamespace.keys()]
    },
    text: () => metrics.text(),
  }
}
