import type { TopicPartition } from '../connect/port.ts'
import type { Clock } from '../kernel/clock.ts'
import { groupedBy } from '../kernel/grouped.ts'
import { partitionName } from '../kernel/ids.ts'
import { formatDuration } from '../kernel/time.ts'
import type { Log } from './log.ts'
import type { ObservedWorker } from './observed-worker.ts'
import type { EventOf } from './observer.ts'

// Rebalances and restores in the log: one line for all their partitions, because a line for each
// would fill the log. All partitions of a rebalance are reported within one turn of the event loop.

export const PROGRESS_EVERY_MS = 5_000

type Lost = EventOf<'lost'>

export class RebalanceLog {
  readonly #log: Log
  readonly #lost: Lost[] = []
  readonly #assigned: TopicPartition[] = []

  constructor(log: Log) {
    this.#log = log
  }

  assigned({ topology, partition, nextOffset }: EventOf<'assigned'>): void {
    this.#log.debug({ topology, ...partition, nextOffset }, 'partition assigned')
    this.#assigned.push(partition)
    this.#soon()
  }

  lost(event: Lost): void {
    this.#lost.push(event)
    this.#soon()
  }

  flush(): void {
    const lost = this.#lost.splice(0)
    const line = (
      level: 'info' | 'warn',
      partitions: readonly TopicPartition[],
      [before, after = '']: readonly string[],
    ) => {
      if (partitions.length === 0) return
      // Several topologies may read the same partition.
      const count = new Set(partitions.map(partitionName)).size
      this.#log[level]({ partitions: count }, `${before} ${inWords(partitions)}${after}`)
    }
    const listLost = (why: Lost['why']) =>
      lost.filter((event) => event.why === why).map(({ partition }) => partition)
    line('info', listLost('revoked'), ['handed over'])
    line('info', listLost('left'), ['gave back'])
    line('warn', listLost('expelled'), ['lost', ': the group went on without this worker'])
    const cut = ': records still to be read again were deleted from the log'
    line('warn', listLost('cut'), ['restarts', cut])
    line('info', this.#assigned.splice(0), ['assigned'])
  }

  #soon(): void {
    if (this.#lost.length + this.#assigned.length === 1) queueMicrotask(() => this.flush())
  }
}

type Restoring = EventOf<'restoring'>
type Restored = EventOf<'restored'>

/** Logs restores by topology: their begin, their progress every 5 s, and the end of the last one. */
export class RestoreLog {
  readonly #log: Log
  readonly #worker: ObservedWorker
  readonly #clock: Clock
  #begun: Restoring[] = []
  #done: Restored[] = []
  #loggedMs = Number.NEGATIVE_INFINITY

  constructor(log: Log, worker: ObservedWorker, clock: Clock) {
    this.#log = log
    this.#worker = worker
    this.#clock = clock
  }

  restoring(event: Restoring): void {
    const nowMs = this.#clock.nowMs()
    const { restores } = this.#worker
    if (restores.some(({ first }) => first === event)) {
      this.#loggedMs = nowMs
      this.#begun.push(event)
      if (this.#begun.length === 1) queueMicrotask(() => this.#logBegun())
    } else if (nowMs - this.#loggedMs >= PROGRESS_EVERY_MS) {
      this.#loggedMs = nowMs
      const latest = restores.map(({ last }) => last)
      for (const events of groupedBy(latest, ({ topology }) => topology).values()) {
        this.#log.info(leftOf(events), `still restoring windows: ${listOf(events)}`)
      }
    }
  }

  restored(event: Restored): void {
    this.#done.push(event)
    this.ended(event)
  }

  ended({ topology }: { readonly topology: string }): void {
    if (this.#worker.restores.some(({ last }) => last.topology === topology)) return
    const done = this.#done.filter((event) => event.topology === topology)
    this.#done = this.#done.filter((event) => event.topology !== topology)
    if (done.length === 0) return
    const records = done.reduce((sum, event) => sum + event.records, 0)
    const took = formatDuration(Math.max(...done.map((event) => event.durationMs)))
    this.#log.info({ topology, records, took }, `windows restored: ${listOf(done)}`)
  }

  #logBegun(): void {
    for (const events of groupedBy(this.#begun.splice(0), ({ topology }) => topology).values()) {
      for (const [reason, group] of groupedBy(events, (event) => event.reason)) {
        const [left, list] = [leftOf(group), listOf(group)]
        if (reason === null) this.#log.info(left, `restoring windows from the log: ${list}`)
        else this.#log.warn({ ...left, reason }, `restoring windows from further back: ${list}`)
      }
    }
  }
}

function leftOf(events: readonly Restoring[]) {
  const records = events.reduce((sum, event) => sum + event.toOffset - event.nextOffset, 0)
  return { topology: events[0]?.topology, records }
}

function listOf(events: readonly (Restoring | Restored)[]): string {
  return inWords(events.map(({ partition }) => partition))
}

/** Partitions for people, topic by topic: `orders 0, payments 0-3 7`. */
function inWords(partitions: readonly TopicPartition[]): string {
  const topics = [...groupedBy(partitions, ({ topic }) => topic)]
  return topics
    .map(([topic, places]) => `${topic} ${ranges(places.map(({ partition }) => partition))}`)
    .toSorted()
    .join(', ')
}

function ranges(numbers: readonly number[]): string {
  const spans: { first: number; last: number }[] = []
  for (const number of [...new Set(numbers)].toSorted((a, b) => a - b)) {
    const open = spans.at(-1)
    if (open?.last === number - 1) open.last = number
    else spans.push({ first: number, last: number })
  }
  return spans.map(({ first, last }) => (first === last ? first : `${first}-${last}`)).join(' ')
}
