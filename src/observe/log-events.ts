import { type Clock, every } from '../kernel/clock.ts'
import type { Code } from '../kernel/errors.ts'
import { partitionName, position } from '../kernel/ids.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Observer } from '../runtime/events.ts'
import { byType, type EventOf } from './by-type.ts'
import { latencyLog } from './latency-log.ts'
import type { Log } from './log.ts'
import { RebalanceLog } from './rebalance-log.ts'
import { RestoreLog } from './restore-log.ts'
import { StatusBoard } from './status.ts'
import { TableLog } from './table-log.ts'
import type { WatchedTopology } from './watched.ts'

/**
 * Dead letters of one code that are logged one by one within a minute; any more are only counted.
 */
const DEAD_LETTERS_PER_MINUTE = 10
const MINUTE_MS = 60_000
const PROGRESS_EVERY_MS = 5_000
/** Throttling is logged once it adds up to this, ms. */
const WORTH_TELLING_MS = 1_000

const KEY_HINT =
  "where partitions were added, keys have moved (docs/restart.md, More partitions); otherwise produce with the key that the source's `key` returns, and with the same partitioner in all producers (docs/concepts.md, Keys and partitions); keyMismatch: 'dead-letter' sets such events aside, 'allow' accepts them"

/** What {@link logEvents} needs besides the log. */
export interface LogEventsOptions {
  readonly clock: Clock
  /** How often the worker's status is logged, ms; `null`: never. */
  readonly statusEveryMs: number | null
  /** The topologies whose latency budgets are watched. @default none */
  readonly topologies?: readonly WatchedTopology[]
}

/**
 * Writes to the log what a worker does: notes, state, rebalances, dead letters, throttling, failed
 * commits, and its status at intervals. After the first ten dead letters of one code in a minute,
 * the rest are logged as a count at the end of the minute.
 */
export function logEvents(
  log: Log,
  { clock, statusEveryMs, topologies = [] }: LogEventsOptions,
): Observer {
  const deadLetters = new DeadLetterLog(log)
  const rebalances = new RebalanceLog(log)
  const restores = new RestoreLog(log)
  const tables = new TableLog(log)
  const throttling = new ThrottlingLog(log)
  const misplaced = new KeyMismatchLog(log)
  const latency = latencyLog(log, topologies, clock)
  const board = new StatusBoard(clock.elapsedMs())
  const tellStatus = () => {
    for (const status of board.take(clock.elapsedMs())) log.info(status, 'status')
  }
  const tellCounts = () => {
    deadLetters.tellCounts()
    tables.tellCounts()
  }
  const over = new AbortController()
  const begin = () => {
    const until = { clock, signal: over.signal }
    void every(MINUTE_MS, tellCounts, until)
    if (statusEveryMs !== null) void every(statusEveryMs, tellStatus, until)
  }
  const tell = byType({
    state: (event) => {
      if (event.state === 'starting') begin()
      else if (event.state === 'stopped' || event.state === 'failed') {
        over.abort()
        tellCounts()
      }
      logState(log, event)
    },
    note: ({ message }) => log.warn({}, message),
    assigned: (event) => rebalances.assigned(event),
    lost: (event) => {
      restores.lost(event)
      rebalances.lost(event)
    },
    restoring: (event) => restores.restoring(event, clock.nowMs()),
    restored: (event) => restores.restored(event),
    warming: ({ topology, partition, reason }) =>
      log.warn(
        { topology, ...partition, ...(reason === null ? {} : { reason }) },
        'windows may lack records that were not read: outputs carry tidemark-warming',
      ),
    whole: ({ topology, partition }) => log.info({ topology, ...partition }, 'windows are whole'),
    'dead-letter': (event) => deadLetters.tell(event),
    throttled: ({ durationMs }) => throttling.tell(durationMs, clock.nowMs()),
    'key-mismatch': (event) => misplaced.tell(event),
    ...holdUps(log),
    ...ofShadows(log),
    'table-loading': (event) => tables.loading(event, clock.nowMs()),
    'table-loaded': (event) => tables.loaded(event),
    'table-reloaded': (event) => tables.reloaded(event),
    'table-held-up': (event) => tables.heldUp(event),
    'table-row-invalid': (event) => tables.invalid(event),
    'commit-slow': ({ durationMs }) =>
      log.warn({ after: formatDuration(durationMs) }, 'a commit is taking long, nothing is lost'),
    'commit-failed': ({ code, reason, nextAttemptMs }) =>
      log.warn({ code, reason, nextAttemptMs }, 'commit failed, nothing is lost'),
  })
  return (event) => {
    board.observer(event)
    latency(event)
    if (event.type === 'state') rebalances.tell()
    tell(event)
  }
}

/** Logs what holds partitions up. */
function holdUps(log: Log): Parameters<typeof byType>[0] {
  return {
    'model-failing': ({ topology, partition, step, reason }) => {
      const about = { topology, ...partition, step }
      if (reason === null) log.info(about, 'the model answers again')
      else log.warn({ ...about, reason }, 'the model can score no event: they wait')
    },
    'schema-missing': ({ topology, partition, reason }) => {
      const about = { topology, ...partition }
      if (reason === null) log.info(about, 'records can be decoded again')
      else log.warn({ ...about, reason }, 'records cannot be decoded yet: the partition waits')
    },
    'schema-unknown': ({ topology, partition, reason }) => {
      const about = { topology, ...partition }
      if (reason === null) log.info(about, 'no record had an unknown schema for a minute')
      else log.warn({ ...about, reason }, 'a schema does not exist: its records are set aside')
    },
    breaker: ({ partition, isOpen, deadPercent }) => {
      const about = { ...partition, deadPercent: Math.floor(deadPercent) }
      if (isOpen) log.warn(about, 'too many dead letters: continuing at 100 records a second')
      else log.info(about, 'fewer dead letters again: continuing at full speed')
    },
  }
}

/** Logs what a shadow cannot do; nothing else suffers from it. */
function ofShadows(log: Log): Parameters<typeof byType>[0] {
  return {
    'shadow-off': ({ topology, step, model, reason }) =>
      log.warn({ topology, step, model, reason }, 'a shadow is off until the worker starts again'),
    'shadow-unwritten': ({ topology, step, model, reason }) => {
      const about = { topology, step, model }
      if (reason === null) log.info(about, 'scores of a shadow are written again')
      else log.warn({ ...about, reason }, 'scores of a shadow are not written: they are dropped')
    },
  }
}

function logState(log: Log, event: EventOf<'state'>): void {
  const level = event.state === 'failed' ? 'error' : event.state === 'unavailable' ? 'warn' : 'info'
  const reason = event.reason === undefined ? {} : { reason: event.reason }
  log[level]({ state: event.state, ...reason }, `worker is ${event.state}`)
}

/** Logs how long brokers throttled the worker: the sum, once it is a second, at most every 5 s. */
class ThrottlingLog {
  readonly #log: Log
  #untoldMs = 0
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(log: Log) {
    this.#log = log
  }

  tell(durationMs: number, nowMs: number): void {
    this.#untoldMs += durationMs
    if (this.#untoldMs < WORTH_TELLING_MS || nowMs - this.#toldMs < PROGRESS_EVERY_MS) return
    this.#log.warn({}, `throttled by the broker ${formatDuration(this.#untoldMs)}`)
    this.#untoldMs = 0
    this.#toldMs = nowMs
  }
}

/**
 * Logs that events of one key are in several partitions: once for each topology, since it continues
 * until the producers are changed.
 */
class KeyMismatchLog {
  readonly #log: Log
  readonly #told = new Set<string>()

  constructor(log: Log) {
    this.#log = log
  }

  tell({ topology, partition, offset, elsewhere }: EventOf<'key-mismatch'>): void {
    if (this.#told.has(topology)) return
    this.#told.add(topology)
    const at = position(partition.topic, partition.partition, offset)
    const { topic, partition: other, offset: seen } = elsewhere
    const also = seen === null ? partitionName(elsewhere) : position(topic, other, seen)
    this.#log.warn(
      { topology, topic, at, also, hint: KEY_HINT },
      'events of one key are in several partitions: their windows are split and incomplete',
    )
  }
}

class DeadLetterLog {
  readonly #log: Log
  readonly #countOf = new Map<Code, number>()

  constructor(log: Log) {
    this.#log = log
  }

  tell({ topology, topic, step, code, message, at }: EventOf<'dead-letter'>): void {
    const count = (this.#countOf.get(code) ?? 0) + 1
    this.#countOf.set(code, count)
    if (count > DEAD_LETTERS_PER_MINUTE) return
    this.#log.warn({ code, reason: message, at, topology, step, topic }, 'dead letter')
  }

  /**
   * At the end of a minute: logs the counts of the dead letters that were not logged one by one.
   */
  tellCounts(): void {
    for (const [code, count] of this.#countOf) {
      const untold = count - DEAD_LETTERS_PER_MINUTE
      if (untold > 0) this.#log.warn({ code, count: untold }, 'more dead letters within a minute')
    }
    this.#countOf.clear()
  }
}
