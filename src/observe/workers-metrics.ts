import { countDroppedLines } from './dropped-lines.ts'
import { type MetricData, MetricMaker } from './metric-maker.ts'

// Metrics of a process whose workers are separate processes.

/** Metrics of the parent process. */
export interface WorkersMetrics {
  readonly contentType: string
  /** Counts a restart of a worker. */
  restarted(worker: number): void
  /** Every metric as plain data. */
  data(): Promise<MetricData>
}

/**
 * Creates the metrics of the parent process.
 * @param droppedLines log lines that this process could not write so far
 */
export function createWorkersMetrics(workers: number, droppedLines: () => number): WorkersMetrics {
  const make = new MetricMaker()
  countDroppedLines(make, droppedLines)
  const restarts = make.counter('worker_restarts_total', {
    help: 'Times that a worker was started again after its process had ended',
    labelNames: ['worker'],
    known: Array.from({ length: workers }, (_, i) => ({ worker: i + 1 })),
  })
  return {
    contentType: make.contentType,
    restarted: (worker) => restarts.inc({ worker }),
    data: () => make.data(),
  }
}
