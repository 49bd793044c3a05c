import type { Logger } from 'pino'
import type { Code } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Observer } from '../runtime/events.ts'
import { byType, type EventOf } from './by-type.ts'

/** Dead letters of one code that are told one by one in a minute; past them only their count is. */
const DEAD_LETTERS_PER_MINUTE = 10
const MINUTE_MS = 60_000
const PROGRESS_EVERY_MS = 5_000
/** Shorter waits for a quota are no news, ms. */
const WORTH_TELLING_MS = 1_000

/**
 * Writes what a worker does to its log: notes, state, partitions, dead letters, waits and failed commits. Dead letters of one
 * code past the first ten in a minute are told as a count, once the minute is over or the worker stops.
 */
export function logEvents(log: Logger, nowMs: () => number): Observer {
  const deadLetters = new DeadLetterLog(log)
  const restores = new RestoreLog(log)
  const throttling = new ThrottlingLog(log)
  const tell = byType({
    state: (event) => {
      if (event.state === 'stopped' || event.state === 'failed') deadLetters.tellCounts()
      logState(log, event)
    },
    note: ({ message }) => log.warn(message),
    assigned: ({ topology, partition, nextOffset }) =>
      log.info({ topology, ...partition, nextOffset }, 'partition assigned'),
    restoring: (event) => restores.tell(event, nowMs()),
    restored: (event) => {
      restores.over(event)
      const { topology, partition, records, durationMs } = event
      const took = formatDuration(durationMs)
      log.info({ topology, ...partition, records, took }, 'windows restored')
    },
    lost: (event) => {
      restores.over(event)
      log.info({ topology: event.topology, ...event.partition }, 'partition lost')
    },
    'dead-letter': (event) => deadLetters.tell(event, nowMs()),
    throttled: ({ durationMs }) => throttling.tell(durationMs, nowMs()),
    'commit-slow': ({ durationMs }) =>
      log.warn({ after: formatDuration(durationMs) }, 'a commit takes long, nothing is lost'),
    'commit-failed': ({ code, reason, nextAttemptMs }) =>
      log.warn({ code, reason, nextAttemptMs }, 'commit failed, nothing is lost'),
  })
  return (event) => {
    deadLetters.minuteOver(nowMs())
    tell(event)
  }
}

function logState(log: Logger, event: EventOf<'state'>): void {
  const level = event.state === 'failed' ? 'error' : event.state === 'unavailable' ? 'warn' : 'info'
  const reason = event.reason === undefined ? {} : { reason: event.reason }
  log[level]({ state: event.state, ...reason }, `worker is ${event.state}`)
}

/** Restores: their beginning, and every 5 s how far they are. */
class RestoreLog {
  readonly #log: Logger
  readonly #toldMs = new Map<string, number>()

  constructor(log: Logger) {
    this.#log = log
  }

  tell({ topology, partition, ...at }: EventOf<'restoring'>, nowMs: number): void {
    const id = JSON.stringify([topology, partition])
    const { fromOffset, nextOffset, toOffset, reason } = at
    const where = { topology, ...partition }
    if (!this.#toldMs.has(id)) {
      this.#toldMs.set(id, nowMs)
      const range = { ...where, fromOffset, toOffset }
      if (reason === null) this.#log.info(range, 'restoring windows from the log')
      else this.#log.warn({ ...range, reason }, 'restoring windows from further back')
    } else if (nowMs - (this.#toldMs.get(id) ?? 0) >= PROGRESS_EVERY_MS) {
      this.#toldMs.set(id, nowMs)
      this.#log.info({ ...where, nextOffset, toOffset }, 'still restoring windows')
    }
  }

  /** It is over, one way or another. */
  over({ topology, partition }: EventOf<'restored' | 'lost'>): void {
    this.#toldMs.delete(JSON.stringify([topology, partition]))
  }
}

/** How long brokers made the worker wait: the sum, once it is a second, at most every 5 s. */
class ThrottlingLog {
  readonly #log: Logger
  #untoldMs = 0
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(log: Logger) {
    this.#log = log
  }

  tell(durationMs: number, nowMs: number): void {
    this.#untoldMs += durationMs
    if (this.#untoldMs < WORTH_TELLING_MS || nowMs - this.#toldMs < PROGRESS_EVERY_MS) return
    this.#log.warn(`throttled by the broker ${formatDuration(this.#untoldMs)}`)
    this.#untoldMs = 0
    this.#toldMs = nowMs
  }
}

class DeadLetterLog {
  readonly #log: Logger
  readonly #countOf = new Map<Code, number>()
  #minuteEndsMs = Number.POSITIVE_INFINITY

  constructor(log: Logger) {
    this.#log = log
  }

  tell(event: EventOf<'dead-letter'>, nowMs: number): void {
    if (this.#countOf.size === 0) this.#minuteEndsMs = nowMs + MINUTE_MS
    const { topology, topic, step, code, message, at } = event
    const count = (this.#countOf.get(code) ?? 0) + 1
    this.#countOf.set(code, count)
    if (count > DEAD_LETTERS_PER_MINUTE) return
    this.#log.warn({ code, reason: message, at, topology, step, topic }, 'dead letter')
  }

  minuteOver(nowMs: number): void {
    if (nowMs >= this.#minuteEndsMs) this.tellCounts()
  }

  tellCounts(): void {
    for (const [code, count] of this.#countOf) {
      const untold = count - DEAD_LETTERS_PER_MINUTE
      if (untold > 0) this.#log.warn({ code, count: untold }, 'more dead letters within a minute')
    }
    this.#countOf.clear()
    this.#minuteEndsMs = Number.POSITIVE_INFINITY
  }
}
