import type { Observer } from '../runtime/events.ts'
import { byType } from './by-type.ts'
import type { MetricMaker } from './metric-maker.ts'
import type { WatchedTopology } from './watched.ts'

/**
 * Buckets in seconds, from the shortest time between commits up to a day: a backlog adds to the
 * delay.
 */
const DELAY = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  ...[300, 900, 3_600, 21_600, 86_400],
]

/** Metrics of what was written. */
export function commitMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const topics = [...new Set(watched.flatMap(({ outputs }) => outputs))]
  const commits = make.counter('commits_total', {
    help: 'Commits by their outcome',
    labelNames: ['outcome'],
    known: [{ outcome: 'ok' }, { outcome: 'failed' }],
  })
  const throttled = make.counter('throttled_seconds_total', {
    help: 'Time that brokers made this worker wait',
    labelNames: [],
  })
  const records = make.counter('records_produced_total', {
    help: 'Records written',
    labelNames: ['topic'],
    known: topics.map((topic) => ({ topic })),
  })
  const bytes = make.counter('produced_bytes_total', {
    help: 'Bytes written',
    labelNames: ['topic'],
    known: topics.map((topic) => ({ topic })),
  })
  const endToEnd = make.histogram('end_to_end_latency_seconds', {
    help: "From a record's timestamp to the acknowledgement of its output, for the oldest record of each chunk and sink",
    buckets: DELAY,
    labelNames: ['sink'],
    known: topics.map((sink) => ({ sink })),
  })
  return byType({
    committed: (commit) => {
      commits.inc({ outcome: 'ok' })
      for (const output of commit.outputs) {
        const { topic } = output
        records.inc({ topic }, output.records)
        bytes.inc({ topic }, output.bytes)
        for (const delayMs of output.endToEndMs) endToEnd.observe({ sink: topic }, delayMs / 1_000)
      }
    },
    'commit-failed': () => commits.inc({ outcome: 'failed' }),
    throttled: ({ durationMs }) => throttled.inc(durationMs / 1_000),
  })
}
