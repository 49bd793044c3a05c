import type { Observer } from '../runtime/events.ts'
import { commitMetrics } from './commit-metrics.ts'
import { countDroppedLines } from './dropped-lines.ts'
import { inferenceMetrics } from './inference-metrics.ts'
import { keyMetrics } from './key-metrics.ts'
import { latencyMetrics } from './latency-metrics.ts'
import { type MetricData, MetricMaker } from './metric-maker.ts'
import { partitionMetrics, restoreMetrics } from './partition-metrics.ts'
import { recordMetrics } from './record-metrics.ts'
import { scoreMetrics } from './score-metrics.ts'
import { shadowMetrics } from './shadow-metrics.ts'
import { stageMetrics } from './stage-metrics.ts'
import { tableMetrics } from './table-metrics.ts'
import type { WatchedTopology } from './watched.ts'

// Prometheus metrics, all of this process. No label contains a key, an offset or a message.

/** What {@link createMetrics} needs. */
export interface MetricsOptions {
  /** Version of Tidemark. */
  readonly version: string
  /** The topologies that the worker runs. */
  readonly topologies: readonly WatchedTopology[]
  /** Log lines that could not be written so far. @default none */
  readonly droppedLines?: () => number
}

/** Metrics, and the observer that feeds them. */
export interface Metrics {
  readonly observer: Observer
  readonly contentType: string
  /** Every metric in the text format of Prometheus. */
  text(): Promise<string>
  /** Every metric as plain data. */
  data(): Promise<MetricData>
}

/** Metrics of a worker and of its process, in a separate registry. */
export function createMetrics(options: MetricsOptions): Metrics {
  const make = new MetricMaker()
  describeBuild(make, options)
  countDroppedLines(make, options.droppedLines)
  const observers = [
    recordMetrics,
    keyMetrics,
    inferenceMetrics,
    scoreMetrics,
    shadowMetrics,
    partitionMetrics,
    restoreMetrics,
    commitMetrics,
    stageMetrics,
    latencyMetrics,
    tableMetrics,
  ].map((of) => of(make, options.topologies))
  return {
    observer: (event) => {
      for (const observe of observers) observe(event)
    },
    contentType: make.contentType,
    text: () => make.text(),
    data: () => make.data(),
  }
}

function describeBuild(make: MetricMaker, { version }: MetricsOptions): void {
  make
    .gauge('build_info', {
      help: 'Always 1; the labels give the versions',
      labelNames: ['version', 'node'],
    })
    .set({ version, node: process.versions.node }, 1)
}
