import type { MetricMaker } from './metric-maker.ts'

/** Counts log lines that were dropped. @param dropped the count so far */
export function countDroppedLines(make: MetricMaker, dropped: () => number = () => 0): void {
  make.counter('log_lines_dropped_total', {
    help: 'Log lines that could not be written',
    labelNames: [],
    collect() {
      this.reset()
      this.inc(dropped())
    },
  })
}
