import { formatDuration } from '../kernel/time.ts'
import type { TopicPartition } from '../records/port.ts'
import type { EventOf } from './by-type.ts'
import type { Log } from './log.ts'
import { partitionList } from './partition-list.ts'

const PROGRESS_EVERY_MS = 5_000

type Restoring = EventOf<'restoring'>
type Restored = EventOf<'restored'>

/**
 * Logs restores, one line for all partitions of a topology: when they begin, their progress every 5
 * s, and when the last one is done.
 */
export class RestoreLog {
  readonly #log: Log
  /** Restores in progress, by topology and partition, in the order in which they began. */
  readonly #open = new Map<string, Restoring>()
  #begun: Restoring[] = []
  #done: Restored[] = []
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(log: Log) {
    this.#log = log
  }

  restoring(event: Restoring, nowMs: number): void {
    const id = idOf(event)
    const isNew = !this.#open.has(id)
    this.#open.set(id, event)
    if (isNew) {
      this.#toldMs = nowMs
      this.#begun.push(event)
      // All partitions of a rebalance begin within one turn of the event loop.
      if (this.#begun.length === 1) queueMicrotask(() => this.#tellBegun())
    } else if (nowMs - this.#toldMs >= PROGRESS_EVERY_MS) {
      this.#toldMs = nowMs
      for (const of of byTopology([...this.#open.values()])) {
        this.#log.info(sumOf(of), `still restoring windows: ${listOf(of)}`)
      }
    }
  }

  restored(event: Restored): void {
    this.#open.delete(idOf(event))
    this.#done.push(event)
    this.#tellDone(event)
  }

  lost(event: EventOf<'lost'>): void {
    if (this.#open.delete(idOf(event))) this.#tellDone(event)
  }

  #tellBegun(): void {
    const begun = this.#begun
    this.#begun = []
    for (const of of byTopology(begun)) {
      for (const reason of new Set(of.map((event) => event.reason))) {
        const group = of.filter((event) => event.reason === reason)
        const [sum, list] = [sumOf(group), listOf(group)]
        if (reason === null) this.#log.info(sum, `restoring windows from the log: ${list}`)
        else this.#log.warn({ ...sum, reason }, `restoring windows from further back: ${list}`)
      }
    }
  }

  /** Logs the end of the restores of a topology, once the last one is done. */
  #tellDone({ topology }: { readonly topology: string }): void {
    if ([...this.#open.values()].some((event) => event.topology === topology)) return
    const done = this.#done.filter((event) => event.topology === topology)
    this.#done = this.#done.filter((event) => event.topology !== topology)
    if (done.length === 0) return
    const records = done.reduce((sum, event) => sum + event.records, 0)
    const took = formatDuration(Math.max(...done.map((event) => event.durationMs)))
    this.#log.info({ topology, records, took }, `windows restored: ${listOf(done)}`)
  }
}

/** The records that are left of the restores of one topology. */
function sumOf(events: readonly Restoring[]) {
  const records = events.reduce((sum, event) => sum + event.toOffset - event.nextOffset, 0)
  return { topology: events[0]?.topology, records }
}

function byTopology(events: readonly Restoring[]): Restoring[][] {
  const topologies = [...new Set(events.map(({ topology }) => topology))]
  return topologies.map((topology) => events.filter((event) => event.topology === topology))
}

function listOf(events: readonly { readonly partition: TopicPartition }[]): string {
  return partitionList(events.map(({ partition }) => partition))
}

function idOf({ topology, partition }: Restoring | Restored | EventOf<'lost'>): string {
  return JSON.stringify([topology, partition.topic, partition.partition])
}
