import { isDeepStrictEqual } from 'node:util'
import type { Assignment, LogRecord, LogRecords, TopicPartition } from '../../connect/port.ts'
import { WrittenRecords } from '../../connect/written-records.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { position } from '../../kernel/ids.ts'
import { jsonOrNull } from '../../kernel/json.ts'
import type { CausedRecords } from './output-batch.ts'

// Records that were given up because the schema registry did not have their schema. Neither the log
// nor the registry tells a replay which these are, so their offsets are written down in the commit
// of their dead letters (rule R9): key `schema/<block>`, value JSON.

const FORMAT = 1
/** Offsets that share a record, so that its size is bounded. */
const BLOCK_OFFSETS = 1_024
const KEY = /^schema\/(\d+)$/
/** Two numbers of at most 16 digits, brackets and commas. */
const MOST_RANGE_BYTES = 36

/** A block takes at most this many bytes: at most every other of its offsets is written down. */
export const MOST_BLOCK_BYTES = (BLOCK_OFFSETS / 2) * MOST_RANGE_BYTES + 1_024

/** Offsets from the first to the last, both included. */
export type OffsetRange = readonly [first: number, last: number]

/** The records of one block that were given up. */
export interface SkippedBlock {
  readonly block: number
  /** The id of the source topic; `null`: its brokers have none. */
  readonly topicId: string | null
  /** In ascending order, none empty, not touching. */
  readonly unknown: readonly OffsetRange[]
}

interface SkippedRecordsOptions {
  /** The topic in which they are written down. */
  readonly topic: string
  readonly assignment: Assignment
  /** The id of the source topic; `null`: its brokers have none. */
  readonly topicId: string | null
  /** Reads the blocks that are written down for the partition. */
  readonly read: () => Promise<readonly LogRecord[]>
}

interface Finished {
  /** The offset of its first record, or where it ends if it has none. */
  readonly offset: number
  readonly faults: readonly {
    readonly record: Pick<LogRecord, 'offset'>
    readonly error: TidemarkError
  }[]
}

/** The records of a partition that were given up. */
export class SkippedRecords {
  readonly #o: SkippedRecordsOptions
  /** Offsets that were given up, by block: all before output begins, then only the newest. */
  readonly #unknown = new Map<number, readonly OffsetRange[]>()
  /** Blocks whose record differs from the offsets in force. */
  readonly #outdated: number[] = []
  isRead = false

  constructor(options: SkippedRecordsOptions) {
    this.#o = options
  }

  /**
   * Reads them. In force are offsets that were committed and can be replayed: neither those from
   * the committed offset on, nor blocks before the first record of the log.
   * @throws TidemarkError `VERDICT_INVALID` · any error of reading
   */
  async read(): Promise<void> {
    const { topic, assignment } = this.#o
    const place = { topic, partition: assignment.partition }
    const newest = new Map<number, SkippedBlock>()
    for (const record of await this.#o.read()) {
      const skipped = unpackBlock(record, place)
      if (skipped !== null) newest.set(skipped.block, skipped)
    }
    for (const skipped of newest.values()) {
      const { block, unknown: ranges } = skipped
      const unknown = this.#inForce(skipped)
      if (unknown.length > 0) this.#unknown.set(block, unknown)
      if (!isDeepStrictEqual(unknown, ranges)) this.#outdated.push(block)
    }
    this.isRead = true
  }

  /** In a replay: the records that were not given up. */
  kept(records: LogRecords): LogRecords {
    if (this.#unknown.size === 0) return records
    const indices: number[] = []
    for (let i = 0; i < records.length; i++) {
      const offset = records.offsetAt(i)
      if (!isWithin(this.#rangesOf(blockOf(offset)), offset)) indices.push(i)
    }
    return indices.length === records.length ? records : records.pick(indices)
  }

  /**
   * Writes down the records of a chunk that were given up. If the commit ends within the chunk, the
   * offsets of its rest are not in force, and the first chunk after a start corrects them.
   */
  written({ offset, faults }: Finished): CausedRecords {
    const records = new WrittenRecords()
    const causes: number[] = []
    const write = (block: number, cause: number) => {
      const { topic, topicId, assignment } = this.#o
      const { key, value } = packBlock({ block, topicId, unknown: this.#rangesOf(block) })
      // Without a timestamp, which the topic might refuse.
      records.write({ key, value, timestampMs: -1, headers: [] }, topic, assignment.partition)
      causes.push(cause)
    }
    for (const block of this.#outdated.splice(0)) write(block, offset)
    for (const [block, first] of this.#add(faults)) write(block, first)
    for (const block of this.#unknown.keys()) {
      if (block < blockOf(offset)) this.#unknown.delete(block)
    }
    return { records, causes }
  }

  #inForce({ block, topicId, unknown }: SkippedBlock): readonly OffsetRange[] {
    const { assignment, topicId: ownId } = this.#o
    const isOfAnother = ownId !== null && topicId !== null && topicId !== ownId
    const isGone = endOfBlock(block) <= assignment.lowOffset
    return isOfAnother || isGone ? [] : rangesBefore(unknown, assignment.nextOffset)
  }

  /** @returns the blocks that have changed, with the first offset that was added to each */
  #add(faults: Finished['faults']): Map<number, number> {
    const changed = new Map<number, number>()
    for (const { record, error } of faults) {
      if (!isUnknownSchema(error)) continue
      const { offset } = record
      const block = blockOf(offset)
      this.#unknown.set(block, withOffset(this.#rangesOf(block), offset))
      if (!changed.has(block)) changed.set(block, offset)
    }
    return changed
  }

  #rangesOf(block: number): readonly OffsetRange[] {
    return this.#unknown.get(block) ?? []
  }
}

/** Whether a record is given up because the registry does not have its schema. */
export function isUnknownSchema(error: TidemarkError): boolean {
  return error.code === 'SCHEMA_UNKNOWN'
}

export function blockOf(offset: number): number {
  return Math.floor(offset / BLOCK_OFFSETS)
}

export function endOfBlock(block: number): number {
  return (block + 1) * BLOCK_OFFSETS
}

/** Without any offset it is a tombstone, which deletes the record. */
export function packBlock({ block, topicId, unknown }: SkippedBlock) {
  const text = unknown.length === 0 ? null : JSON.stringify({ v: FORMAT, topicId, unknown })
  return { key: Buffer.from(`schema/${block}`), value: text === null ? null : Buffer.from(text) }
}

/** `null`: it is a record of another kind. @throws TidemarkError `VERDICT_INVALID` */
export function unpackBlock(record: LogRecord, place: TopicPartition): SkippedBlock | null {
  const [, digits] = KEY.exec(String(record.key ?? '')) ?? []
  if (digits === undefined) return null
  const block = Number(digits)
  if (record.value === null) return { block, topicId: null, unknown: [] }
  const value = jsonOrNull(String(record.value))
  if (isPacked(value)) return { block, topicId: value.topicId, unknown: value.unknown }
  const message = 'a verdict on records with an unknown schema cannot be read'
  const where = position(place.topic, place.partition, record.offset)
  const hint =
    'it was written by another program or a later version; see docs/errors.md, VERDICT_INVALID'
  throw new TidemarkError('VERDICT_INVALID', message, { where, hint })
}

interface Packed extends Pick<SkippedBlock, 'topicId' | 'unknown'> {
  readonly v: number
}

function isPacked(json: unknown): json is Packed {
  if (typeof json !== 'object' || json === null) return false
  const { v, topicId, unknown } = json as Partial<Record<keyof Packed, unknown>>
  const isId = topicId === null || typeof topicId === 'string'
  return v === FORMAT && isId && Array.isArray(unknown) && unknown.every(isRange)
}

function isRange(range: unknown): boolean {
  return (
    Array.isArray(range) &&
    range.length === 2 &&
    range.every(Number.isSafeInteger) &&
    range[0] <= range[1]
  )
}

/** Adds an offset greater than all others. */
export function withOffset(ranges: readonly OffsetRange[], offset: number): OffsetRange[] {
  const last = ranges.at(-1)
  if (last === undefined || last[1] < offset - 1) return [...ranges, [offset, offset]]
  return [...ranges.slice(0, -1), [last[0], offset]]
}

/** The part before an offset. */
export function rangesBefore(ranges: readonly OffsetRange[], end: number): OffsetRange[] {
  return ranges
    .filter(([first]) => first < end)
    .map(([first, last]) => [first, Math.min(last, end - 1)])
}

export function isWithin(ranges: readonly OffsetRange[], offset: number): boolean {
  return ranges.some(([first, last]) => first <= offset && offset <= last)
}
