import type { Observer } from '../runtime/events.ts'
import { byType } from './by-type.ts'
import type { MetricMaker } from './metric-maker.ts'
import type { WatchedTopology } from './watched.ts'

/** The value of the label `outcome`, by the name in the code. */
const OUTCOMES = {
  scored: 'ok',
  windowed: 'windowed',
  skipped: 'filtered',
  duplicate: 'duplicate',
  late: 'late',
  dead: 'dead_letter',
} as const

/** Metrics of the records that were read, and of their outcomes. */
export function recordMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const consumed = make.counter('records_consumed_total', {
    help: 'Records read',
    labelNames: ['topology', 'topic', 'partition'],
  })
  const bytes = make.counter('consumed_bytes_total', {
    help: 'Bytes read',
    labelNames: ['topology', 'topic'],
    known: watched.map(({ topology, source }) => ({ topology, topic: source })),
  })
  const processed = make.counter('records_processed_total', {
    help: 'Records by outcome',
    labelNames: ['topology', 'step', 'outcome'],
    known: watched.flatMap(({ topology, step }) =>
      Object.values(OUTCOMES).map((outcome) => ({ topology, step, outcome })),
    ),
  })
  const late = make.counter('late_records_total', {
    help: 'Records behind the watermark, by the action taken',
    labelNames: ['topology', 'step', 'action'],
    known: watched.flatMap(({ topology, late: { steps, action } }) =>
      steps.map((step) => ({ topology, step, action })),
    ),
  })
  const dead = make.counter('dead_letters_total', {
    help: 'Records set aside, by error code',
    labelNames: ['topology', 'topic', 'step', 'error_class'],
    known: watched.flatMap(({ topology, deadLetterTopic: topic, deadLetters }) =>
      deadLetters.map(({ step, code }) => ({ topology, topic, step, error_class: code })),
    ),
  })
  const closed = make.counter('windows_closed_total', {
    help: 'Tumbling windows that closed',
    labelNames: ['topology', 'step'],
    known: watched.flatMap(({ topology, tumbling }) =>
      tumbling.map((step) => ({ topology, step })),
    ),
  })
  return byType({
    assigned: ({ topology, partition: { topic, partition } }) =>
      consumed.inc({ topology, topic, partition }, 0),
    consumed: ({ topology, partition: { topic, partition }, ...read }) => {
      consumed.inc({ topology, topic, partition }, read.records)
      bytes.inc({ topology, topic }, read.bytes)
    },
    processed: ({ topology, step, outcomes, closed: windows }) => {
      for (const [keeper, count] of windows) closed.inc({ topology, step: keeper }, count)
      for (const [of, outcome] of Object.entries(OUTCOMES)) {
        processed.inc({ topology, step, outcome }, outcomes[of as keyof typeof OUTCOMES])
      }
    },
    late: ({ topology, step, action, count }) => late.inc({ topology, step, action }, count),
    'dead-letter': ({ topology, topic, step, code }) =>
      dead.inc({ topology, topic, step, error_class: code }),
  })
}
