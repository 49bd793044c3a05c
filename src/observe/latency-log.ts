import type { Clock } from '../kernel/clock.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Observer } from '../runtime/events.ts'
import { type LatePredictions, latencyWatch } from './latency-watch.ts'
import type { Log } from './log.ts'
import type { WatchedTopology } from './watched.ts'

/** The shortest time between two lines about the same step and limit, ms. */
const EVERY_MS = 60_000

/**
 * Logs predictions that come later than their latency budget allows: the first, then how many since
 * the last line.
 */
export function latencyLog(
  log: Log,
  watched: readonly WatchedTopology[],
  clock: Pick<Clock, 'elapsedMs'>,
): Observer {
  const told = new Map<string, { atMs: number; untold: number }>()
  const elapsedMs = () => clock.elapsedMs()
  return latencyWatch(watched, elapsedMs, (late) => {
    const { topology, step, limit, events } = late
    const name = `${topology} ${step} ${limit}`
    const line = told.get(name) ?? { atMs: Number.NEGATIVE_INFINITY, untold: 0 }
    told.set(name, line)
    line.untold += events
    if (elapsedMs() - line.atMs < EVERY_MS) return
    tell(log, late, line.untold)
    line.atMs = elapsedMs()
    line.untold = 0
  })
}

function tell(log: Log, { limit, limitMs, tookMs, stage, ...of }: LatePredictions, events: number) {
  const { topology, step } = of
  const [took, allowed] = [formatDuration(tookMs), formatDuration(limitMs)]
  log.warn(
    { topology, step, took, [limit]: allowed, stage, events },
    `predictions are later than the ${limit} of their latency budget`,
  )
}
