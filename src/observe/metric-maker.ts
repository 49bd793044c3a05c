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
 * Process metrics that are named like counters but are gauges; each is the sum of the metric of the
 * same name without `_total`.
 */
const MISNAMED = ['resources', 'handles', 'requests'].map((what) => `nodejs_active_${what}_total`)

/** Buckets in seconds, for durations from microseconds to seconds. */
export const SHORT = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
]

type Labels<L extends string> = Readonly<Record<L, string | number>>

interface Described<L extends string> {
  readonly help: string
  readonly labelNames: readonly L[]
  /**
   * Label sets known beforehand; their series start at 0. Otherwise `rate` would miss the first
   * event of a series.
   * @default none
   */
  readonly known?: readonly Labels<L>[]
}

/** One series of a histogram whose counts are kept by the caller. */
interface Counted<L extends string> {
  readonly labels: Labels<L>
  /** Upper bounds, each with how many are not above it. */
  readonly buckets: readonly (readonly [bound: number, count: number])[]
  readonly sum: number
  readonly count: number
}

/** One series of a histogram of durations. */
interface TimedSeries<L extends string> {
  readonly labels: Labels<L>
  readonly durations: Durations
}

/**
 * Bucket bounds of a histogram, as powers of two of microseconds: from 128 µs to 8.4 s, each twice
 * the one before.
 */
const BOUNDS = Array.from({ length: 17 }, (_, i) => i + 7)

/** Metrics of one process as plain data, for {@link textOfAll}. */
export type MetricData = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** The metrics of one worker process. */
export interface MetricsOfWorker {
  /** Value of the label `worker`. `null`: not of a worker, and there is no such label. */
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
    // Each series comes from one process, so there is nothing to sum; "omit" would drop the start
    // times of the processes.
    aggregator: 'first',
    values: metric.values.map((value) => ({ ...value, labels: { ...label, ...value.labels } })),
  }))
}

/**
 * Creates metrics with the common prefix in a separate registry, next to the metrics of the
 * process.
 */
export class MetricMaker {
  readonly #registry = new Registry()

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name)
  }

  /** The content type of {@link text}. */
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

  /** Creates a counter; `name` is without the prefix. */
  counter<L extends string>(
    name: string,
    { known = [], ...described }: Described<L> & { readonly collect?: (this: Counter<L>) => void },
  ): Counter<L> {
    const counter = new Counter({ ...described, ...this.#named(name) })
    for (const labels of known) counter.inc(labels, 0)
    return counter
  }

  /** Creates a gauge; `name` is without the prefix. */
  gauge<L extends string>(
    name: string,
    { known = [], ...described }: Described<L> & { readonly collect?: (this: Gauge<L>) => void },
  ): Gauge<L> {
    const gauge = new Gauge({ ...described, ...this.#named(name) })
    for (const labels of known) gauge.set(labels, 0)
    return gauge
  }

  /** Creates a histogram; `name` is without the prefix. */
  histogram<L extends string>(
    name: string,
    { known = [], ...described }: Described<L> & { readonly buckets: number[] },
  ): Histogram<L> {
    const histogram = new Histogram({ ...described, ...this.#named(name) })
    for (const labels of known) histogram.zero(labels)
    return histogram
  }

  /**
   * A histogram whose counts are kept by the caller: for what happens several times a chunk, or for
   * each row, it would cost too much to look up labels.
   */
  counted<L extends string>(
    name: string,
    { help, read }: { readonly help: string; readonly read: () => Iterable<Counted<L>> },
  ): void {
    const named = { name: this.#named(name).name, help, type: 'histogram', aggregator: 'sum' }
    const get = async () => ({ ...named, values: [...read()].flatMap(valuesOf(named.name)) })
    this.#registry.registerMetric({ ...named, get } as unknown as Metric)
  }

  /** A histogram of durations, in seconds, which are kept by the caller. */
  durations<L extends string>(
    name: string,
    { help, read }: { readonly help: string; readonly read: () => Iterable<TimedSeries<L>> },
  ): void {
    this.counted(name, { help, read: () => [...read()].map(inSeconds) })
  }

  #named(name: string) {
    return { name: `tidemark_${name}`, registers: [this.#registry] }
  }
}

function inSeconds<L extends string>({ labels, durations }: TimedSeries<L>): Counted<L> {
  return {
    labels,
    buckets: BOUNDS.map((bound) => [2 ** bound / 1e6, durations.shorterThan(bound)]),
    sum: durations.sumMs / 1_000,
    count: durations.count,
  }
}

/** The values of a histogram in prom-client's format. */
function valuesOf(name: string) {
  return ({ labels, buckets, sum, count }: Counted<string>) => [
    ...[...buckets, ['+Inf', count] as const].map(([le, value]) => ({
      metricName: `${name}_bucket`,
      labels: { le, ...labels },
      value,
    })),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
