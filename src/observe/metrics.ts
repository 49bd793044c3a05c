import { PublishedScores, StageTimers } from './histograms.ts'
import { MetricRegistry, type MetricRow, type Metrics } from './metric-registry.ts'
import { DROPPED_LINES, METRICS, type MetricSources } from './metric-table.ts'

type MetricsOptions = Pick<MetricSources, 'version' | 'topologies' | 'worker'> &
  Partial<Pick<MetricSources, 'droppedLines'>>

export function createMetrics(options: MetricsOptions): Metrics {
  const stages = new StageTimers(options.topologies)
  const scores = new PublishedScores(options.topologies)
  return new MetricRegistry(METRICS, { droppedLines: () => 0, ...options, stages, scores })
}

/** The metrics of the parent process of several workers. */
export function createWorkersMetrics(workers: number, droppedLines: () => number) {
  const restarts = Array.from({ length: workers }, () => 0)
  const registry = new MetricRegistry(METRICS_OF_PARENT, { restarts, droppedLines })
  return {
    contentType: registry.contentType,
    restarted: (worker: number) => {
      restarts[worker - 1] = (restarts[worker - 1] as number) + 1
    },
    data: () => registry.data(),
  }
}

interface SourcesOfParent extends Pick<MetricSources, 'droppedLines'> {
  readonly restarts: readonly number[]
}

const METRICS_OF_PARENT: readonly MetricRow<SourcesOfParent>[] = [
  DROPPED_LINES,
  {
    name: 'worker_restarts_total',
    type: 'counter',
    help: 'Times that a worker was started again after its process had ended',
    labels: ['worker'],
    read: ({ restarts }) => restarts.map((count, i) => [{ worker: i + 1 }, count]),
  },
]
