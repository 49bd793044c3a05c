import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type Metric,
  Registry,
} from 'prom-client'
import type { Durations } from './durations.ts'

/**
 * Of the process, and named as counters though they are none; each is the sum of its namesake
 * without `_total`.
 */
const MISNAMED = ['resources', 'handles', 'requests'].map((what) => `nodejs_active_${what}_total`)

/** Seconds, for what takes microseconds to seconds. */
export const SHORT = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
]

type Labels<L extends string> = Readonly<Record<L, string | number>>

interface Described<L extends string> {
  readonly help: string
  readonly labelNames: readonly L[]
  /**
   * Label sets that are known beforehand. A rate sees a series' first event only where it was told
   * as 0 before. @default none
   */
  readonly known?: readonly Labels<L>[]
}

/** A series of a histogram, and what it has counted. */
interface Counted<L extends string> {
  readonly labels: Labels<L>
  readonly durations: Durations
}

/**
 * Boundaries of a histogram: from 128 µs to 8.4 s, each twice the one before; powers of two of
 * microseconds.
 */
const BOUNDS = Array.from({ length: 17 }, (_, i) => i + 7)

/** Metrics of one process as plain data, for {@link textOfAll}. */
export type MetricData = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** Where metrics come from. */
export interface MetricsOfWorker {
  /** Becomes the label `worker`. `null`: of none, so that there is no such label. */
  readonly worker: number | null
  readonly metrics: MetricData
}

/** Metrics of several processes in the text format of Prometheus, each series with its worker. */
export function textOfAll(all: readonly MetricsOfWorker[]): Promise<string> {
  return AggregatorRegistry.aggregate(all.map(labelled)).metrics()
}

function labelled({ worker, metrics }: MetricsOfWorker): object {
  const label = worker === null ? {} : { worker }
  return metrics.map((metric) => ({
    ...metric,
    // Each series is of one process, so that there is nothing to add up; "omit" would leave out
    // when each began.
    aggregator: 'first',
    values: metric.values.map((value) => ({ ...value, labels: { ...label, ...value.labels } })),
  }))
}

/** Makes metrics with the common prefix in a registry of their own, beside those of the process. */
export class MetricMaker {
  readonly #registry = new Registry()

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** Every metric in the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  /** Every metric as plain data. */
  data(): Promise<MetricData> {
    return this.#registry.getMetricsAsJSON()
  }

  counter<L extends string>(
    name: string,
    { known = [], ...described }: Described<L> & { readonly collect?: (this: Counter<L>) => void },
  ): Counter<L> {
    const counter = new Counter({ ...described, ...this.#named(name) })
    for (const labels of known) counter.inc(labels, 0)
    return counter
  }

  gauge<L extends string>(
    name: string,
    { known = [], ...described }: Described<L> & { readonly collect?: (this: Gauge<L>) => void },
  ): Gauge<L> {
    const gauge = new Gauge({ ...described, ...this.#named(name) })
    for (const labels of known) gauge.set(labels, 0)
    return gauge
  }

  histogram<L extends string>(
    name: string,
    { known = [], ...described }: Described<L> & { readonly buckets: number[] },
  ): Histogram<L> {
    const histogram = new Histogram({ ...described, ...this.#named(name) })
    for (const labels of known) histogram.zero(labels)
    return histogram
  }

  /**
   * A histogram in seconds that counts elsewhere: what happens several times a chunk has no labels
   * to look up.
   */
  durations<L extends string>(
    name: string,
    { help, read }: { readonly help: string; readonly read: () => Iterable<Counted<L>> },
  ): void {
    const named = { name: this.#named(name).name, help, type: 'histogram', aggregator: 'sum' }
    const get = async () => ({ ...named, values: [...read()].flatMap(valuesOf(named.name)) })
    this.#registry.registerMetric({ ...named, get } as unknown as Metric)
  }

  #named(name: string) {
    return { name: `tidemark_${name}`, registers: [this.#registry] }
  }
}

/** As prom-client tells a histogram. */
function valuesOf(name: string) {
  return ({ labels, durations }: Counted<string>) => [
    ...BOUNDS.map((bound) => ({
      metricName: `${name}_bucket`,
      labels: { le: 2 ** bound / 1e6, ...labels },
      value: durations.shorterThan(bound),
    })),
    { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: durations.count },
    { metricName: `${name}_sum`, labels, value: durations.sumMs / 1_000 },
    { metricName: `${name}_count`, labels, value: durations.count },
  ]
}
