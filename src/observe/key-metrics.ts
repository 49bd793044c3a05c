import type { Observer } from '../runtime/events.ts'
import { byType } from './by-type.ts'
import type { MetricMaker } from './metric-maker.ts'
import type { WatchedTopology } from './watched.ts'

/** Metrics of keys whose events are in several partitions. */
export function keyMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const misplaced = make.counter('key_mismatch_events_total', {
    help: 'Events in another partition than others of their key, among those checked',
    labelNames: ['topology', 'topic'],
    known: watched.map(({ topology, source }) => ({ topology, topic: source })),
  })
  return byType({
    'key-mismatch': ({ topology, partition: { topic }, events }) =>
      misplaced.inc({ topology, topic }, events),
  })
}
