import type { Dictionary } from '../engine/dictionary.ts'
import { partitionOfKey } from '../kernel/partitioners.ts'
import type { LogRecords, TopicPartition } from '../records/port.ts'
import type { Definition, SourceDefinition } from '../topology/definition.ts'
import type { Observer } from './events.ts'

/** Keys that are remembered at most. */
const SAMPLE = 1_024
/** Hashes go from 0 up to here, exclusively. */
const ALL = 2 ** 32

/** Events of one chunk of a partition, each with the record it came from. */
export interface Placed {
  readonly partition: TopicPartition
  /** Of the topic. */
  readonly partitions: number
  readonly keys: Keys
  readonly records: LogRecords
}

/** The keys of events, an event each. */
interface Keys {
  readonly numbers: ArrayLike<number>
  readonly names: Pick<Dictionary, 'cellOf' | 'hashOf'>
}

interface Seen {
  readonly hash: number
  readonly partition: number
  readonly offset: number
}

/**
 * Looks out for keys whose events lie in several partitions, so that no window sees all of them.
 * What it tells is proved: a key of a sample, chosen by hash, was seen in two partitions of this
 * worker; or the author has said by which rule keys are placed, the rule says another partition,
 * and the record has another key than the event.
 */
export class KeyWatch {
  readonly #topology: string
  readonly #source: SourceDefinition
  readonly #observer: Observer
  readonly #seen = new Map<string, Seen>()
  /** Keys whose hash is below it are remembered. */
  #limit = ALL

  constructor({ name, source }: Definition, observer: Observer) {
    this.#topology = name
    this.#source = source
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
    this.#observer({ type: 'key-mismatch', topology: this.#topology, partition, events, ...first })
  }

  #seenElsewhere({ keys, partition: { partition }, records }: Placed, i: number) {
    const number = keys.numbers[i] as number
    const hash = keys.names.hashOf(number)
    if (hash >= this.#limit) return null
    const key = keys.names.cellOf(number) as string
    const seen = this.#seen.get(key)
    if (seen !== undefined) return seen.partition === partition ? null : seen
    this.#seen.set(key, { hash, partition, offset: records.offsetAt(i) })
    while (this.#seen.size > SAMPLE) this.#halve()
    return null
  }

  #saidElsewhere({ keys, partition, partitions, records }: Placed, i: number) {
    const { partitioner } = this.#source
    if (partitioner === null || partitioner === 'unknown') return null
    const key = Buffer.from(keys.names.cellOf(keys.numbers[i] as number) as string)
    if (records.at(i).key?.equals(key)) return null
    const said = partitionOfKey(key, partitions, partitioner)
    return said === partition.partition ? null : { partition: said, offset: null }
  }

  #halve(): void {
    this.#limit /= 2
    for (const [key, { hash }] of this.#seen) if (hash >= this.#limit) this.#seen.delete(key)
  }
}
