import { wallClock } from '../kernel/clock.ts'
import { STAGES } from '../kernel/stages.ts'
import type { Observer } from '../runtime/events.ts'
import { latencyWatch } from './latency-watch.ts'
import type { MetricMaker } from './metric-maker.ts'
import type { WatchedTopology } from './watched.ts'

/** The stages of a chunk, including the wait for its commit and for other chunks. */
const STAGES_OF_CHUNK = [...Object.keys(STAGES).filter((stage) => stage !== 'fetch'), 'queue']

/** Counts predictions that come later than their latency budget allows. */
export function latencyMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const late = make.counter('late_predictions_total', {
    help: 'Scored events whose outputs took longer than the target, or the maximum, of their latency budget',
    labelNames: ['topology', 'step', 'limit', 'stage'],
    known: watched.flatMap(({ topology, latency }) =>
      latency.flatMap(({ step }) =>
        ['target', 'maximum'].flatMap((limit) =>
          STAGES_OF_CHUNK.map((stage) => ({ topology, step, limit, stage })),
        ),
      ),
    ),
  })
  const elapsedMs = () => wallClock.elapsedMs()
  return latencyWatch(watched, elapsedMs, ({ topology, step, limit, stage, events }) =>
    late.inc({ topology, step, limit, stage }, events),
  )
}
