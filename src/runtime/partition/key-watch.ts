import type { LogRecords, TopicPartition } from '../../connect/port.ts'
import type { Dictionary } from '../../engine/store/dictionary.ts'
import { partitionOfKey } from '../../kernel/kafka.ts'
import type { Definition } from '../../topology/definition.ts'
import type { Observer } from '../events.ts'

/** The most keys that are remembered. */
const SAMPLE = 1_024
/** Hashes are below this. */
const ALL = 2 ** 32

/** The events of one chunk of a partition, each with the record that it came from. */
interface Placed {
  readonly partition: TopicPartition
  /** Partitions of the topic. */
  readonly partitions: number
  readonly keys: ArrayLike<number>
  readonly names: Pick<Dictionary, 'cellOf' | 'hashOf'>
  readonly records: LogRecords
}

interface Seen {
  readonly hash: number
  readonly partition: number
  readonly offset: number
}

/**
 * Watches for keys whose events are in several partitions, so that no window sees all of them. It
 * reports only what is certain: a key of a sample, chosen by hash, was seen in two partitions of
 * this worker; or the source names a partitioner, that partitioner chooses another partition, and
 * the record's key differs from the event's.
 */
export class KeyWatch {
  readonly #definition: Definition
  readonly #observer: Observer
  readonly #seen = new Map<string, Seen>()
  /** Only keys whose hash is below this are remembered. */
  #limit = ALL

  constructor(definition: Definition, observer: Observer) {
    this.#definition = definition
    this.#observer = observer
  }

  look(chunk: Placed): void {
    const { records, partition } = chunk
    let events = 0
    let first: { offset: number; elsewhere: TopicPartition & { offset: number | null } } | null =
      null
    for (let i = 0; i < records.length; i++) {
      const elsewhere = this.#seenElsewhere(chunk, i) ?? this.#saidElsewhere(chunk, i)
      if (elsewhere === null) continue
      const offset = records.offsetAt(i)
      events++
      first ??= { offset, elsewhere: { topic: partition.topic, ...elsewhere } }
    }
    if (first === null) return
    const { name: topology } = this.#definition
    this.#observer({ type: 'key-mismatch', topology, partition, events, ...first })
  }

  #seenElsewhere({ keys, names, partition: { partition }, records }: Placed, i: number) {
    const number = keys[i] as number
    const hash = names.hashOf(number)
    if (hash >= this.#limit) return null
    const key = names.cellOf(number) as string
    const seen = this.#seen.get(key)
    if (seen !== undefined) return seen.partition === partition ? null : seen
    this.#seen.set(key, { hash, partition, offset: records.offsetAt(i) })
    while (this.#seen.size > SAMPLE) this.#halve()
    return null
  }

  #saidElsewhere({ keys, names, partition, partitions, records }: Placed, i: number) {
    const { partitioner } = this.#definition.source
    if (partitioner === null || partitioner === 'unknown') return null
    const key = Buffer.from(names.cellOf(keys[i] as number) as string)
    if (records.at(i).key?.equals(key)) return null
    const said = partitionOfKey(key, partitions, partitioner)
    return said === partition.partition ? null : { partition: said, offset: null }
  }

  #halve(): void {
    this.#limit /= 2
    for (const [key, { hash }] of this.#seen) if (hash >= this.#limit) this.#seen.delete(key)
  }
}
