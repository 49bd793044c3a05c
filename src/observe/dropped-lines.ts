import type { MetricMaker } from './metric-maker.ts'

/** @param dropped how many there are so far */
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
