/** Label values by label name; the names of one metric are always the same. */
export type Labels = Readonly<Record<string, string>>

interface Described {
  readonly name: string
  readonly help: string
}

export interface Counter {
  add(labels?: Labels, by?: number): void
}

export interface Gauge {
  set(value: number, labels?: Labels): void
  /** Forgets a series that no longer exists. */
  remove(labels: Labels): void
}

export interface Histogram {
  observe(value: number, labels?: Labels): void
}

/** The metrics of one process, and their text. */
export interface Metrics {
  /** `series` exist at 0 from the start, so that `increase()` sees the first event. */
  counter(about: Described & { readonly series?: readonly Labels[] }): Counter
  gauge(about: Described): Gauge
  /** `buckets` are upper bounds, ascending, without +Inf. */
  histogram(about: Described & { readonly buckets: readonly number[] }): Histogram
  /** Prometheus' text format, version 0.0.4. */
  text(): string
}

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export function createMetrics(): Metrics {
  const families: (() => string)[] = []
  const family = (
    kind: string,
    { name, help }: Described,
    lines: () => readonly string[],
  ): void => {
    families.push(() => {
      const body = lines()
      return body.length === 0
        ? ''
        : [`# HELP ${name} ${escape(help)}`, `# TYPE ${name} ${kind}`, ...body, ''].join('\n')
    })
  }
  return {
    counter({ series = [], ...about }) {
      const values = new Map<string, number>(series.map((labels) => [labelText(labels), 0]))
      family('counter', about, () => simpleLines(about.name, values))
      return {
        add(labels = {}, by = 1) {
          const key = labelText(labels)
          values.set(key, (values.get(key) ?? 0) + by)
        },
      }
    },
    gauge(about) {
      const values = new Map<string, number>()
      family('gauge', about, () => simpleLines(about.name, values))
      return {
        set: (value, labels = {}) => void values.set(labelText(labels), value),
        remove: (labels) => void values.delete(labelText(labels)),
      }
    },
    histogram({ buckets, ...about }) {
      const series = new Map<
        string,
        { readonly labels: Labels; counts: number[]; sum: number; count: number }
      >()
      family('histogram', about, () =>
        [...series.values()].flatMap(({ labels, counts, sum, count }) => [
          ...buckets.map(
            (bound, index) =>
              `${about.name}_bucket${labelText({ ...labels, le: String(bound) })} ${counts[index] ?? 0}`,
          ),
          `${about.name}_bucket${labelText({ ...labels, le: '+Inf' })} ${count}`,
          `${about.name}_sum${labelText(labels)} ${sum}`,
          `${about.name}_count${labelText(labels)} ${count}`,
        ]),
      )
      return {
        observe(value, labels = {}) {
          const key = labelText(labels)
          const found = series.get(key) ?? {
            labels,
            counts: buckets.map(() => 0),
            sum: 0,
            count: 0,
          }
          const counts = found.counts.map(
            (had, index) => had + (value <= (buckets[index] ?? 0) ? 1 : 0),
          )
          series.set(key, { labels, counts, sum: found.sum + value, count: found.count + 1 })
        },
      }
    },
    text: () => families.map((lines) => lines()).join(''),
  }
}

function simpleLines(name: string, values: ReadonlyMap<string, number>): readonly string[] {
  return [...values].map(([labels, value]) => `${name}${labels} ${value}`)
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${escape(value).replaceAll('"', '\\"')}"`,
  )
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
