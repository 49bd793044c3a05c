import { countDroppedLines } from './dropped-lines.ts'
import { type MetricData, MetricMaker } from './metric-maker.ts'

// Metrics of a process that has workers in processes of their own.

export interface WorkersMetrics {
  readonly contentType: string
  /** A worker was started again. */
  restarted(worker: number): void
  /** Every metric as plain data. */
  data(): Promise<MetricData>
}

/** @param droppedLines log lines that this process could not write so far */
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
