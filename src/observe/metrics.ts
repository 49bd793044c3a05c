import { PublishedScores } from './histograms.ts'
import { MetricRegistry, type MetricRow, type Metrics, type Registry } from './metric-registry.ts'
import { type MetricSources, TROUBLE } from './metric-rows.ts'
import { DROPPED_LINES, METRICS } from './metric-table.ts'

/** @throws TidemarkError as {@link MetricRegistry} does */
export function createMetrics(
  options: Omit<MetricSources, 'scores'>,
  registry?: Registry,
): Metrics {
  const scores = new PublishedScores(options.topologies)
  return new MetricRegistry(METRICS, { ...options, scores }, registry)
}

interface SourcesOfParent extends Pick<MetricSources, 'droppedLines'> {
  readonly workers: readonly WatchedProcess[]
}

/** The process of a worker, as its parent sees it. */
interface WatchedProcess {
  /** How often it was started again. */
  readonly restarts: number
  /** Why it does not answer. */
  readonly trouble: 'silent' | 'restarting' | null
}

/** The metrics of the parent process of several workers. */
export function createWorkersMetrics(sources: SourcesOfParent): Metrics {
  return new MetricRegistry(METRICS_OF_PARENT, sources)
}

const METRICS_OF_PARENT: readonly MetricRow<SourcesOfParent>[] = [
  DROPPED_LINES,
  {
    name: 'worker_restarts_total',
    type: 'counter',
    help: 'Times that a worker was started again after its process had ended',
    labels: ['worker'],
    read: ({ workers }) => workers.map(({ restarts }, i) => [{ worker: i + 1 }, restarts]),
  },
  {
    ...TROUBLE,
    labels: ['worker', ...TROUBLE.labels],
    read: ({ workers }) =>
      workers.flatMap(({ trouble }, i) =>
        ['restarting', 'silent'].map((kind) => {
          return [{ worker: i + 1, kind }, Number(kind === trouble)] as const
        }),
      ),
  },
]
