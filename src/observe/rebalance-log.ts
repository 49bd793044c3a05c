import { partitionName } from '../kernel/ids.ts'
import type { TopicPartition } from '../records/port.ts'
import type { EventOf } from './by-type.ts'
import type { Log } from './log.ts'
import { partitionList } from './partition-list.ts'

type Lost = EventOf<'lost'>

/**
 * Logs the partitions that a rebalance revoked and assigned, in one line for all of them: a line
 * for each would fill the log.
 */
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

  /** Logs what has been collected. */
  tell(): void {
    const lost = this.#lost.splice(0)
    const of = (why: Lost['why']) =>
      lost.filter((event) => event.why === why).map((e) => e.partition)
    this.#line('info', of('revoked'), (list) => `handed over ${list}`)
    this.#line('info', of('left'), (list) => `gave back ${list}`)
    this.#line(
      'warn',
      of('expelled'),
      (list) => `lost ${list}: the group went on without this worker`,
    )
    this.#line(
      'warn',
      of('cut'),
      (list) => `restarts ${list}: records still to be read again were deleted from the log`,
    )
    this.#line('info', this.#assigned.splice(0), (list) => `assigned ${list}`)
  }

  #line(
    level: 'info' | 'warn',
    partitions: readonly TopicPartition[],
    message: (list: string) => string,
  ): void {
    if (partitions.length === 0) return
    // Several topologies may read the same partition.
    const count = new Set(partitions.map(partitionName)).size
    this.#log[level]({ partitions: count }, message(partitionList(partitions)))
  }

  /** All partitions of a rebalance are reported within one turn of the event loop. */
  #soon(): void {
    if (this.#lost.length + this.#assigned.length === 1) queueMicrotask(() => this.tell())
  }
}
