import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type Metric,
  Registry,
} from 'prom-client'
import { configFault } from '../kernel/errors.ts'
import type { Observer, RuntimeEvent } from '../runtime/events.ts'
import type { EventOf, Handlers } from './observer.ts'

/**
 * Process metrics that are named like counters but are gauges; each is the sum of the metric of the
 * same name without `_total`.
 */
const MISNAMED = ['resources', 'handles', 'requests'].map((kind) => `nodejs_active_${kind}_total`)

type Labels = Readonly<Record<string, string | number>>
type Sample = readonly [Labels, number]

interface CountedSeries {
  readonly labels: Labels
  readonly buckets: readonly (readonly [bound: number, count: number])[]
  readonly sum: number
  readonly count: number
}

/** A histogram that counts by itself. */
interface CountedHistogram {
  /** How events move it. @default something else calls it */
  readonly handlers?: Handlers
  readonly series: readonly CountedSeries[]
}

/** A metric, and how the events of the runtime move it. */
export interface MetricRow<S> {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels?: readonly string[]
  readonly buckets?: number[]
  /**
   * Label sets known beforehand; their series start at 0. Otherwise `rate` would miss the first
   * event of a series.
   */
  readonly labelSets?: (sources: S) => readonly Labels[]
  /**
   * By event: a counter's growth, a gauge's value or a histogram's sample; `null`: nothing.
   * Labels that are not given are fields of the event, or of its partition.
   */
  readonly on?: {
    readonly [T in RuntimeEvent['type']]?: (
      event: EventOf<T>,
      sources: S,
    ) => number | readonly Sample[] | null
  }
  readonly read?: (sources: S) => readonly Sample[]
  readonly counted?: (sources: S) => CountedHistogram
}

export type { Registry } from 'prom-client'
export type MetricData = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

export interface MetricsOfWorker {
  /** Value of the label `worker`; `null`: the process is not a worker, without such a label. */
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

export type Metrics = MetricRegistry<unknown>

export class MetricRegistry<S> {
  readonly #registry: Registry
  readonly #names: readonly string[]
  readonly #sources: S
  readonly #observers = new Map<RuntimeEvent['type'], Observer[]>()

  /**
   * @param registry instead of a registry of its own, which has metrics of the process too
   * @throws TidemarkError `CONFIG_INVALID`: the given one has a metric of the same name
   */
  constructor(table: readonly MetricRow<S>[], sources: S, registry?: Registry) {
    this.#sources = sources
    this.#registry = registry ?? new Registry()
    this.#names = table.map(fullName)
    if (registry === undefined) collectDefaultMetrics({ register: this.#registry })
    for (const name of registry ? [] : MISNAMED) this.#registry.removeSingleMetric(name)
    const taken = this.#names.find((name) => this.#registry.getSingleMetric(name))
    if (taken !== undefined) {
      const hint = 'give each worker that runs in this process a registry of its own'
      throw configFault(`the registry has a metric ${taken} already`, 'metrics', hint)
    }
    for (const row of table) this.#add(row)
  }

  readonly observer: Observer = (event) => {
    for (const observe of this.#observers.get(event.type) ?? []) observe(event)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** Takes its metrics out of the registry, which may go on without it. */
  close(): void {
    for (const name of this.#names) this.#registry.removeSingleMetric(name)
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  data(): Promise<MetricData> {
    return this.#registry.getMetricsAsJSON()
  }

  #add(row: MetricRow<S>): void {
    const { labels = [], on = {}, counted } = row
    if (counted !== undefined) return this.#addCounted(row, counted(this.#sources))
    const move = row.type === 'histogram' ? this.#histogram(row) : this.#counterOrGauge(row)
    for (const [type, valueOf] of Object.entries(on) as [RuntimeEvent['type'], Mover<S>][]) {
      this.#on(type, (event) => {
        const moved = valueOf(event, this.#sources)
        if (moved === null) return
        const common = labelsIn(event, labels)
        if (typeof moved === 'number') move(common, moved)
        else for (const [moreLabels, value] of moved) move({ ...common, ...moreLabels }, value)
      })
    }
  }

  #on(type: RuntimeEvent['type'], observer: Observer): void {
    const observers = this.#observers.get(type) ?? []
    this.#observers.set(type, [...observers, observer])
  }

  #counterOrGauge(row: MetricRow<S>): (labels: Labels, value: number) => void {
    const { type, labelSets, read } = row
    const sources = this.#sources
    const collect = read && {
      collect() {
        metric.reset()
        for (const [labels, value] of read(sources)) move(labels, value)
      },
    }
    const described = { ...this.#described(row), ...collect }
    const metric = type === 'counter' ? new Counter(described) : new Gauge(described)
    const move = (labels: Labels, value: number) =>
      metric instanceof Counter ? metric.inc(labels, value) : metric.set(labels, value)
    for (const labels of labelSets?.(sources) ?? []) move(labels, 0)
    return move
  }

  #histogram(row: MetricRow<S>): (labels: Labels, value: number) => void {
    const { buckets = [], labelSets } = row
    const metric = new Histogram({ ...this.#described(row), buckets })
    for (const labels of labelSets?.(this.#sources) ?? []) metric.zero(labels)
    return (labels, value) => metric.observe(labels, value)
  }

  #addCounted(row: MetricRow<S>, counted: CountedHistogram): void {
    const { name, help } = this.#described(row)
    const described = { name, help, type: 'histogram', aggregator: 'sum' }
    const get = async () => ({ ...described, values: counted.series.flatMap(valuesOf(name)) })
    this.#registry.registerMetric({ ...described, get } as unknown as Metric)
    const handlers = Object.entries(counted.handlers ?? {}) as [RuntimeEvent['type'], Observer][]
    for (const [type, handle] of handlers) this.#on(type, handle)
  }

  #described(row: MetricRow<S>) {
    const { help, labels = [] } = row
    return { name: fullName(row), help, labelNames: labels, registers: [this.#registry] }
  }
}

function fullName({ name }: { readonly name: string }): string {
  return `tidemark_${name}`
}

type Mover<S> = (event: RuntimeEvent, sources: S) => number | readonly Sample[] | null

function labelsIn(event: RuntimeEvent, names: readonly string[]): Labels {
  const fields = event as unknown as Labels
  const place = 'partition' in event ? (event.partition as unknown as Labels) : undefined
  const labels: Record<string, string | number> = {}
  for (const name of names) labels[name] = place?.[name] ?? (fields[name] as string | number)
  return labels
}

function valuesOf(name: string) {
  return ({ labels, buckets, sum, count }: CountedSeries) => [
    ...[...buckets, ['+Inf', count] as const].map(([le, value]) => ({
      metricName: `${name}_bucket`,
      labels: { le, ...labels },
      value,
    })),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
