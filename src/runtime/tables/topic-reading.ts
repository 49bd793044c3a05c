import type { Chunk, FollowedRange, LogRecord } from '../../connect/port.ts'
import type { Decoded } from '../../formats/format.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { position } from '../../kernel/ids.ts'
import type { Slices } from '../../kernel/slices.ts'
import type { RecordId } from '../../lookup/record-order.ts'
import type { RecordRows } from '../../lookup/record-rows.ts'
import { keyOfRecord, keyOfRow, timeOfRow } from '../../lookup/rows.ts'
import type { LoadedTable } from '../../lookup/table.ts'

/** @param at `merchants-3@1041` */
type TellInvalid = (at: string, error: TidemarkError) => void

/** Records applied between two looks at the time. */
const UNASKED = 32

interface Progress {
  nextOffset: number
  /** Where the partition ended when reading began. */
  readonly wholeFrom: number
  /** Where it ended when it was last read. */
  endOffset: number
}

/** One reading of a topic: the rows so far, and the positions. */
export class TopicReading {
  readonly rows: RecordRows
  readonly #table: LoadedTable
  readonly #partitions = new Map<number, Progress>()
  readonly #tell: TellInvalid
  /** Records, valid or not. */
  read = 0

  constructor(table: LoadedTable, tell: TellInvalid) {
    this.#table = table
    this.#tell = tell
    this.rows = table.emptyRows()
  }

  /** By partition, the offset to read next. */
  get positions(): ReadonlyMap<number, number> {
    return new Map([...this.#partitions].map(([p, { nextOffset }]) => [p, nextOffset]))
  }

  /** The position of each partition from 0 on, for provenance; of an added one that is empty, 0. */
  get contents(): string {
    const { positions } = this
    const partitions = Math.max(...positions.keys()) + 1
    return Array.from({ length: partitions }, (_, p) => positions.get(p) ?? 0).join(',')
  }

  /** Whether the topic was read to where it ended when reading began. */
  get isWhole(): boolean {
    return [...this.#partitions.values()].every((p) => p.nextOffset >= p.wholeFrom)
  }

  /** Records up to the last known end; markers and gaps count as records. */
  get lag(): number {
    return this.#sum(({ nextOffset, endOffset }) => Math.max(0, endOffset - nextOffset))
  }

  /** Records of a whole reading, estimated from the offsets. */
  get total(): number {
    return this.read + this.#sum(({ nextOffset, wholeFrom }) => Math.max(0, wholeFrom - nextOffset))
  }

  /** Begins, also once more: partitions that are known keep their positions. */
  begin(ranges: ReadonlyMap<number, FollowedRange>): void {
    for (const [partition, { nextOffset, endOffset }] of ranges) {
      if (this.#partitions.has(partition)) continue
      this.#partitions.set(partition, { nextOffset, wholeFrom: endOffset, endOffset })
    }
  }

  /**
   * Applies the records of a chunk to the rows, in order. Yields where other work may have its
   * turn: the rows are then those of the positions.
   */
  *apply({ partition, records, nextOffset, ...chunk }: Chunk, decoded: Decoded, slices: Slices) {
    // A partition may have been added.
    this.begin(new Map([[partition, { nextOffset: 0, endOffset: 0 }]]))
    const progress = this.#partitions.get(partition) as Progress
    progress.endOffset = chunk.endOffset
    const faults = new Map(decoded.faults.map(({ record, error }) => [record, error]))
    let event = 0
    for (let i = 0; i < records.length; i++) {
      if (i % UNASKED === UNASKED - 1 && slices.isOver) {
        progress.nextOffset = records.offsetAt(i)
        yield
      }
      const record = records.at(i)
      const fault = faults.get(i)
      const { offset, timestampMs } = record
      const by = { partition, offset, timestampMs }
      if (fault === undefined) this.#put(record, () => decoded.events.at(event), by)
      else this.#refuse(record, fault, by)
      if (fault === undefined) event++
    }
    this.read += records.length
    progress.nextOffset = nextOffset
  }

  #put(record: LogRecord, row: () => unknown, by: RecordId): void {
    try {
      const { definition } = this.#table
      const hasKey = definition.key !== null
      const value = hasKey || definition.asOf !== null ? row() : null
      const recordKey = hasKey && record.key === null ? null : keyOfRecord(record.key)
      const key = hasKey ? keyOfRow(definition, value) : (recordKey as string)
      const timeMs = timeOfRow(definition, value)
      this.rows.put(recordKey, { key, timeMs, value: record.value as Buffer }, by)
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError)) throw thrown
      const { action, code } = thrown
      if (action !== 'dead-letter' && code !== 'TABLE_INVALID') throw thrown
      this.#refuse(record, thrown, by)
    }
  }

  /** Removes the row of the record's key. The record is a fault unless it is a tombstone. */
  #refuse(record: LogRecord, error: TidemarkError, by: RecordId): void {
    if (error.code !== 'TOMBSTONE') this.#invalid(by, error)
    try {
      this.rows.remove(keyOfRecord(record.key), by)
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError)) throw thrown
      if (error.code === 'TOMBSTONE') this.#invalid(by, thrown)
    }
  }

  #invalid({ partition, offset }: RecordId, error: TidemarkError): void {
    const topic = this.#table.definition.from.topic as string
    this.#tell(position(topic, partition, offset), error)
  }

  #sum(measure: (progress: Progress) => number): number {
    let sum = 0
    for (const progress of this.#partitions.values()) sum += measure(progress)
    return sum
  }
}
