import type { Reason, Verdict } from './review.ts'

/** What Prometheus reads from the injector. Every series exists from the start, so that `increase()` sees the first failure. */
export interface InjectorMetrics {
  reviewed(answer: { outcome: Outcome; reason: Reason | 'malformed'; seconds: number }): void
  certificateExpires(kind: 'leaf' | 'ca', atMs: number): void
  leads(leading: boolean): void
  /** Opted-in pods that run without the agent, by namespace; a namespace that is gone falls to 0. */
  missed(byNamespace: ReadonlyMap<string, number>): void
  text(): string
}

type Outcome = Verdict['outcome'] | 'malformed'

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const

const reasons: Readonly<Record<Outcome, readonly (Reason | 'malformed')[]>> = {
  injected: ['sidecar', 'init', 'both'],
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

export function createMetrics(): InjectorMetrics {
  const reviews = new Map<string, number>()
  for (const [outcome, list] of Object.entries(reasons)) {
    for (const reason of list) reviews.set(labels({ outcome, reason }), 0)
  }
  const buckets = BUCKETS.map(() => 0)
  let observed = 0
  let sum = 0
  const expiry = new Map<string, number>()
  const missed = new Map<string, number>()
  let leading: number | undefined
  return {
    reviewed({ outcome, reason, seconds }) {
      const key = labels({ outcome, reason })
      reviews.set(key, (reviews.get(key) ?? 0) + 1)
      observed += 1
      sum += seconds
      for (const [index, bound] of BUCKETS.entries()) {
        if (seconds <= bound) buckets[index] = (buckets[index] ?? 0) + 1
      }
    },
    certificateExpires: (kind, atMs) => {
      expiry.set(labels({ kind }), atMs / 1000)
    },
    leads: (now) => {
      leading = now ? 1 : 0
    },
    missed(byNamespace) {
      for (const key of missed.keys()) missed.set(key, 0)
      for (const [namespace, count] of byNamespace) missed.set(labels({ namespace }), count)
    },
    text() {
      const duration = 'conjur_injector_review_duration_seconds'
      const lines = [
        ...family('conjur_injector_reviews_total', {
          type: 'counter',
          help: 'Admission reviews answered, by outcome and reason.',
          series: reviews,
        }),
        `# HELP ${duration} Time from the whole request to the answer.`,
        `# TYPE ${duration} histogram`,
        ...BUCKETS.map(
          (bound, index) => `${duration}_bucket{le="${bound}"} ${buckets[index] ?? 0}`,
        ),
        `${duration}_bucket{le="+Inf"} ${observed}`,
        `${duration}_sum ${sum}`,
        `${duration}_count ${observed}`,
        ...family('conjur_injector_certificate_expiry_timestamp_seconds', {
          type: 'gauge',
          help: 'When the serving certificate and its CA end.',
          series: expiry,
        }),
        ...family('conjur_injector_missed_pods', {
          type: 'gauge',
          help: 'Opted-in pods that run without the agent.',
          series: missed,
        }),
        ...family('conjur_injector_leader', {
          type: 'gauge',
          help: '1 where this replica rotates certificates and audits pods.',
          series: leading === undefined ? new Map() : new Map([['', leading]]),
        }),
      ]
      return `${lines.join('\n')}\n`
    },
  }
}

interface Family {
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly series: ReadonlyMap<string, number>
}

function family(name: string, { type, help, series }: Family): readonly string[] {
  if (series.size === 0) return []
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...[...series].map(([key, value]) => `${name}${key} ${value}`),
  ]
}

function labels(values: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(values).map(([name, value]) => `${name}="${escape(value)}"`)
  return `{${pairs.join(',')}}`
}

function escape(value: string): string {
  return value
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`)
}
