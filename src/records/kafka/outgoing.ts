import type { TopicPartition } from '../port.ts'
import type { WrittenRecords } from '../written-records.ts'
import type { BatchEncoder, EncodedBatch, EncodeOptions, Selection } from './codec/encode.ts'

/** The records for one partition that are not acknowledged yet, in order, as batches. */
export class Outgoing implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly #selection: Selection
  #acknowledged = 0
  #batches: EncodedBatch[] = []

  constructor({ topic, partition }: TopicPartition, selection: Selection) {
    this.topic = topic
    this.partition = partition
    this.#selection = selection
  }

  /** Appends the records that are not acknowledged yet to `records`. */
  addTo(records: WrittenRecords): void {
    const { records: from, indices } = this.#left
    for (const index of indices) records.addFrom(from, index)
  }

  get batches(): readonly EncodedBatch[] {
    return this.#batches
  }

  get bytes(): number {
    return this.#batches.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  /** Packs all unacknowledged records into new batches. Yields after each batch. */
  *pack(encoder: BatchEncoder, options: EncodeOptions): Generator<void, void> {
    this.#batches = yield* encoder.encodeMore(this.#left, options)
  }

  /**
   * Removes the first batch, which was acknowledged.
   * @returns how many records it had
   */
  acknowledged(): number {
    const count = this.#batches.shift()?.count ?? 0
    this.#acknowledged += count
    return count
  }

  get #left(): Selection {
    const { records, indices } = this.#selection
    return this.#acknowledged === 0
      ? this.#selection
      : { records, indices: indices.slice(this.#acknowledged) }
  }
}

/** One batch in a request. */
export interface Part {
  readonly to: Outgoing
  readonly batch: EncodedBatch
}

/**
 * Distributes all batches over requests: at most one batch per partition in a request, and at most
 * `maxBytes` in a request unless a single batch is larger.
 */
export function requestsOf(all: readonly Outgoing[], maxBytes: number): Part[][] {
  const requests: Part[][] = []
  const rounds = Math.max(...all.map(({ batches }) => batches.length))
  for (let round = 0; round < rounds; round++) {
    let bytes = Number.POSITIVE_INFINITY
    for (const to of all) {
      const batch = to.batches[round]
      if (batch === undefined) continue
      if (bytes + batch.bytes.length > maxBytes) {
        requests.push([])
        bytes = 0
      }
      requests.at(-1)?.push({ to, batch })
      bytes += batch.bytes.length
    }
  }
  return requests
}
