import type { Observer } from '../runtime/events.ts'
import { byType } from './by-type.ts'
import type { MetricMaker } from './metric-maker.ts'
import type { WatchedTopology } from './watched.ts'

/** Keys whose events lie in several partitions. */
export function keyMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const misplaced = make.counter('key_mismatch_events_total', {
    help: 'Events in another partition than others of their key, of those that are looked at',
    labelNames: ['topology', 'topic'],
    known: watched.map(({ topology, source }) => ({ topology, topic: source })),
  })
  return byType({
    'key-mismatch': ({ topology, partition: { topic }, events }) =>
      misplaced.inc({ topology, topic }, events),
  })
}
