import { type Clock, every } from '../kernel/clock.ts'
import { partitionName, position } from '../kernel/ids.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Observer } from '../runtime/events.ts'
import { TROUBLES } from '../runtime/troubles.ts'
import type { LatePredictions } from './latency-watch.ts'
import type { Log } from './log.ts'
import type { ObservedWorker } from './observed-worker.ts'
import { byType, type EventOf, type Handlers } from './observer.ts'
import { PROGRESS_EVERY_MS, RebalanceLog, RestoreLog } from './partition-log.ts'

const MINUTE_MS = 60_000
const FIRST_STATUS_MS = 10_000
/** Events of one kind that are logged one by one within a minute; more are only counted. */
const MOST_PER_MINUTE = 10
const LEAST_THROTTLED_MS = 1_000

const KEY_HINT =
  "where partitions were added, keys have moved (docs/restart.md, More partitions); otherwise produce with the key that the source's `key` returns, and with the same partitioner in all producers (docs/concepts.md, Keys and partitions); keyMismatch: 'dead-letter' sets such events aside, 'allow' accepts them"

interface LogEventsOptions {
  readonly worker: ObservedWorker
  readonly clock: Clock
  /** How often the worker's status is logged, ms. */
  readonly statusEveryMs: number | 'off'
}

export function logEvents(log: Log, options: LogEventsOptions): Observer {
  const { worker, clock, statusEveryMs } = options
  const rebalances = new RebalanceLog(log)
  const restores = new RestoreLog(log, worker, clock)
  const deadLetters = new PerMinute()
  const invalidRows = new PerMinute()
  const logStatus = () => {
    for (const status of worker.takeStatus()) log.info(status, 'status')
  }
  const logCounts = () => {
    for (const [code, count] of deadLetters.takeMore()) {
      log.warn({ code, count }, 'more dead letters within a minute')
    }
    for (const [table, count] of invalidRows.takeMore()) {
      log.warn({ table, count }, 'more invalid records within a minute')
    }
  }
  const caughtUp = catchingUp(log, worker)
  const over = new AbortController()
  const handle = byType({
    state: ({ state, reason }) => {
      const until = { clock, signal: over.signal }
      const firstMs = Math.min(FIRST_STATUS_MS, Number(statusEveryMs))
      if (state === 'starting') {
        void every(MINUTE_MS, logCounts, until)
        if (statusEveryMs !== 'off') void every(statusEveryMs, logStatus, { ...until, firstMs })
      } else if (state === 'stopped' || state === 'failed') {
        over.abort()
        logCounts()
      }
      const level = state === 'failed' ? 'error' : state === 'unavailable' ? 'warn' : 'info'
      log[level]({ state, ...(reason === undefined ? {} : { reason }) }, `worker is ${state}`)
    },
    note: ({ message }) => log.warn({}, message),
    assigned: (event) => rebalances.assigned(event),
    lost: (event) => {
      restores.ended(event)
      rebalances.lost(event)
    },
    consumed: caughtUp,
    processed: caughtUp,
    restoring: (event) => restores.restoring(event),
    restored: (event) => restores.restored(event),
    ...incompleteWindows(log),
    'dead-letter': ({ topology, topic, step, code, message, at }) => {
      if (!deadLetters.isAmongFirst(code)) return
      log.warn({ code, reason: message, at, topology, step, topic }, 'dead letter')
    },
    'table-row-invalid': ({ table, code, message, at }) => {
      if (!invalidRows.isAmongFirst(table)) return
      log.warn({ table, code, reason: message, at }, 'invalid record: its key has no row now')
    },
    ...tables(log, clock),
    ...troubles(log),
    throttled: throttling(log, clock),
    committed: latePredictions(log, options),
    'commit-failed': ({ code, reason, nextAttemptMs }) =>
      log.warn({ code, reason, nextAttemptMs }, 'commit failed, nothing is lost'),
  })
  return (event) => {
    if (event.type === 'state') rebalances.flush()
    handle(event)
  }
}

/** Counts events by name: after the first ten in a minute, only their number is logged. */
class PerMinute {
  readonly #counts = new Map<string, number>()

  isAmongFirst(name: string): boolean {
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    return count <= MOST_PER_MINUTE
  }

  takeMore(): (readonly [name: string, count: number])[] {
    const more = [...this.#counts].map(([name, n]) => [name, n - MOST_PER_MINUTE] as const)
    this.#counts.clear()
    return more.filter(([, count]) => count > 0)
  }
}

function incompleteWindows(log: Log): Handlers {
  /** Once for each topology, because it continues until the producers are changed. */
  const mismatched = new Set<string>()
  return {
    warming: ({ topology, partition, reason }) =>
      log.warn(
        { topology, ...partition, ...(reason === null ? {} : { reason }) },
        'windows may lack records that were not read: outputs carry tidemark-warming',
      ),
    whole: ({ topology, partition }) => log.info({ topology, ...partition }, 'windows are whole'),
    'key-mismatch': ({ topology, partition, offset, elsewhere }) => {
      if (mismatched.has(topology)) return
      mismatched.add(topology)
      const at = position(partition.topic, partition.partition, offset)
      const { topic, partition: other, offset: seen } = elsewhere
      const also = seen === null ? partitionName(elsewhere) : position(topic, other, seen)
      log.warn(
        { topology, topic, at, also, hint: KEY_HINT },
        'events of one key are in several partitions: their windows are split and incomplete',
      )
    },
  }
}

function tables(log: Log, clock: Clock): Handlers {
  const loggedMs = new Map<string, number>()
  return {
    'table-loading': ({ table, records, total }) => {
      const nowMs = clock.nowMs()
      const lastMs = loggedMs.get(table)
      if (lastMs !== undefined && nowMs - lastMs < PROGRESS_EVERY_MS) return
      loggedMs.set(table, nowMs)
      const message = lastMs === undefined ? 'the table is read' : 'the table is still being read'
      log.info({ table, records, of: total }, message)
    },
    'table-loaded': ({ table, rows, durationMs }) => {
      loggedMs.delete(table)
      const took = formatDuration(durationMs)
      log.info({ table, rows, took }, 'the table is read whole and followed')
    },
    'table-reloaded': ({ table, rows, contents }) =>
      log.info({ table, rows, contents }, "the table's file has changed and was read again"),
  }
}

/** Logs troubles that do not change the state of the worker, whose line says those that do. */
function troubles(log: Log): Handlers {
  return {
    trouble: (event) => {
      const { type: _, kind, partition, reason, ...labels } = event
      const { effect, begins, ends } = TROUBLES[kind]
      if (effect !== 'suffers') return
      const about = { ...labels, ...partition }
      if (reason !== null) log.warn({ ...about, reason }, begins)
      else if (ends !== undefined) log.info(about, ends)
    },
  }
}

function catchingUp(log: Log, worker: ObservedWorker): () => void {
  let isBehind = true
  return () => {
    if (!isBehind || !worker.isCaughtUp) return
    isBehind = false
    log.info({}, 'caught up: what its partitions held when it began is processed')
  }
}

function throttling(log: Log, clock: Clock): (event: EventOf<'throttled'>) => void {
  let sumMs = 0
  let loggedMs = Number.NEGATIVE_INFINITY
  return ({ durationMs }) => {
    const nowMs = clock.nowMs()
    sumMs += durationMs
    if (sumMs < LEAST_THROTTLED_MS || nowMs - loggedMs < PROGRESS_EVERY_MS) return
    log.warn({}, `throttled by the broker ${formatDuration(sumMs)}`)
    sumMs = 0
    loggedMs = nowMs
  }
}

/**
 * Logs predictions that come later than their latency budget allows: the first of each step and
 * limit, then how many came since the last line, at most once a minute.
 */
function latePredictions(log: Log, { worker, clock }: LogEventsOptions): () => void {
  const lines = new Map<string, { atMs: number; events: number }>()
  const add = ({ topology, step, limit, limitMs, tookMs, stage, events }: LatePredictions) => {
    const name = `${topology} ${step} ${limit}`
    const line = lines.get(name) ?? { atMs: Number.NEGATIVE_INFINITY, events: 0 }
    lines.set(name, line)
    line.events += events
    if (clock.elapsedMs() - line.atMs < MINUTE_MS) return
    const [took, allowed] = [formatDuration(tookMs), formatDuration(limitMs)]
    const message = `predictions are later than the ${limit} of their latency budget`
    log.warn({ topology, step, took, [limit]: allowed, stage, events: line.events }, message)
    line.atMs = clock.elapsedMs()
    line.events = 0
  }
  return () => {
    for (const late of worker.late) add(late)
  }
}
