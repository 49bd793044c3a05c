import pc from 'picocolors'
import { type Clock, wallClock } from '../../src/kernel/clock.ts'
import { createLog, type Log, type LogFormat } from '../../src/observe/log.ts'
import { logEvents } from '../../src/observe/log-events.ts'
import { createMetrics } from '../../src/observe/metrics.ts'
import { ObservedWorker } from '../../src/observe/observed-worker.ts'
import type { WatchedTopology } from '../../src/observe/observer.ts'
import type { Observer, RuntimeEvent } from '../../src/runtime/events.ts'
import { HandClock } from '../support/clocks.ts'

/** The state of a worker after these events. */
export function observedAfter(...events: readonly RuntimeEvent[]): ObservedWorker {
  const worker = new ObservedWorker(wallClock, [])
  for (const event of events) worker.observer(event)
  return worker
}

/** Metrics of a worker, and what tells its state and them of its events. */
export function observedMetrics(topologies: readonly WatchedTopology[]) {
  const worker = new ObservedWorker(wallClock, topologies)
  const metrics = createMetrics({
    ...{ version: '0.1.0', topologies, worker, droppedLines: () => 0 },
    requestRoutes: ['predict_topology'],
  })
  const observe: Observer = (event) => {
    worker.observer(event)
    metrics.observer(event)
  }
  return { metrics, observe }
}

interface Logging {
  readonly clock: Clock
  readonly statusEveryMs?: number | 'off'
  readonly topologies?: readonly WatchedTopology[]
}

/** An observer that updates a worker's state and writes to the log. */
export function observedLog(log: Log, { clock, statusEveryMs = 'off', topologies = [] }: Logging) {
  const worker = new ObservedWorker(clock, topologies)
  const observer = logEvents(log, { worker, clock, statusEveryMs })
  const observe: Observer = (event) => {
    worker.observer(event)
    observer(event)
  }
  return observe
}

/** A log in memory, watching a worker by a clock that the test moves. */
export function logged(format: LogFormat = 'json', statusEveryMs: number | 'off' = 'off') {
  const lines: string[] = []
  const log = createLog({
    format,
    colors: pc.createColors(false),
    stream: { write: (line) => lines.push(line) },
  })
  const clock = new HandClock(0)
  const observe = observedLog(log, { clock, statusEveryMs })
  const told = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return { lines, log, clock, observe, told }
}
