import { isDeepStrictEqual } from 'node:util'
import type { Assignment, LogRecord, LogRecords, TopicPartition } from '../../connect/port.ts'
import { WrittenRecords } from '../../connect/written-records.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { position } from '../../kernel/ids.ts'
import { jsonOrNull } from '../../kernel/json.ts'
import type { CausedRecords } from './output-batch.ts'

// Verdicts on records whose schema the schema registry did not have. Neither the log nor the
// registry tells a replay that they were given up, so it is written down in the commit of the dead
// letter (rule R9): key `schema/<block>`, value JSON.

const FORMAT = 1
/** Offsets that share a verdict, so that its size is bounded. */
const BLOCK_OFFSETS = 1_024
const KEY = /^schema\/(\d+)$/
/** Two numbers of at most 16 digits, brackets and commas. */
const MOST_RANGE_BYTES = 36

/** A verdict takes at most this many bytes: it has at most every other offset of its block. */
export const MOST_VERDICT_BYTES = (BLOCK_OFFSETS / 2) * MOST_RANGE_BYTES + 1_024

/** Offsets from the first to the last, both included. */
export type OffsetRange = readonly [first: number, last: number]

/** The records of one block that were given up. */
export interface BlockVerdict {
  readonly block: number
  /** The id of the source topic; `null`: its brokers have none. */
  readonly topicId: string | null
  /** In ascending order, none empty, not touching. */
  readonly unknown: readonly OffsetRange[]
}

interface VerdictsOptions {
  /** The topic in which they are written down. */
  readonly topic: string
  readonly assignment: Assignment
  /** The id of the source topic; `null`: its brokers have none. */
  readonly topicId: string | null
  /** Reads what is written down for the partition. */
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

/** Which records of a partition were given up. */
export class Verdicts {
  readonly #o: VerdictsOptions
  /** Offsets that were given up, by block: all before output begins, then only the newest. */
  readonly #unknown = new Map<number, readonly OffsetRange[]>()
  /** Blocks whose record does not say what is in force. */
  readonly #outdated: number[] = []
  isRead = false

  constructor(options: VerdictsOptions) {
    this.#o = options
  }

  /**
   * Reads them. In force is what was committed and can be replayed: neither what is written of
   * records from the committed offset on, nor blocks before the first record of the log.
   * @throws TidemarkError `VERDICT_INVALID` · what reading throws
   */
  async read(): Promise<void> {
    const { topic, assignment } = this.#o
    const place = { topic, partition: assignment.partition }
    const newest = new Map<number, BlockVerdict>()
    for (const record of await this.#o.read()) {
      const verdict = unpackVerdict(record, place)
      if (verdict !== null) newest.set(verdict.block, verdict)
    }
    for (const verdict of newest.values()) {
      const { block, unknown: written } = verdict
      const unknown = this.#inForce(verdict)
      if (unknown.length > 0) this.#unknown.set(block, unknown)
      if (!isDeepStrictEqual(unknown, written)) this.#outdated.push(block)
    }
    this.isRead = true
  }

  /** In a replay: the records that were not given up. */
  kept(records: LogRecords): LogRecords {
    if (this.#unknown.size === 0) return records
    const kept: number[] = []
    for (let i = 0; i < records.length; i++) {
      const offset = records.offsetAt(i)
      if (!isWithin(this.#of(blockOf(offset)), offset)) kept.push(i)
    }
    return kept.length === records.length ? records : records.pick(kept)
  }

  /**
   * Writes down what was given up of a chunk. If the commit ends within the chunk, what is written
   * of its rest is not in force, and the first chunk after a start corrects it.
   */
  written({ offset, faults }: Finished): CausedRecords {
    const records = new WrittenRecords()
    const causes: number[] = []
    const write = (block: number, cause: number) => {
      const { topic, topicId, assignment } = this.#o
      const { key, value } = packVerdict({ block, topicId, unknown: this.#of(block) })
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

  #inForce({ block, topicId, unknown }: BlockVerdict): readonly OffsetRange[] {
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
      this.#unknown.set(block, withOffset(this.#of(block), offset))
      if (!changed.has(block)) changed.set(block, offset)
    }
    return changed
  }

  #of(block: number): readonly OffsetRange[] {
    return this.#unknown.get(block) ?? []
  }
}

/** Is a record given up because the registry does not have its schema? */
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
export function packVerdict({ block, topicId, unknown }: BlockVerdict): {
  readonly key: Buffer
  readonly value: Buffer | null
} {
  const text = unknown.length === 0 ? null : JSON.stringify({ v: FORMAT, topicId, unknown })
  return { key: Buffer.from(`schema/${block}`), value: text === null ? null : Buffer.from(text) }
}

/** `null`: it is a record of another kind. @throws TidemarkError `VERDICT_INVALID` */
export function unpackVerdict(record: LogRecord, of: TopicPartition): BlockVerdict | null {
  const [, digits] = KEY.exec(String(record.key ?? '')) ?? []
  if (digits === undefined) return null
  const block = Number(digits)
  if (record.value === null) return { block, topicId: null, unknown: [] }
  const value = jsonOrNull(String(record.value))
  if (isPacked(value)) return { block, topicId: value.topicId, unknown: value.unknown }
  const what = 'a verdict on records with an unknown schema cannot be read'
  const where = position(of.topic, of.partition, record.offset)
  const hint =
    'it was written by another program or a later version; see docs/errors.md, VERDICT_INVALID'
  throw new TidemarkError('VERDICT_INVALID', what, { where, hint })
}

interface Packed extends Pick<BlockVerdict, 'topicId' | 'unknown'> {
  readonly v: number
}

function isPacked(of: unknown): of is Packed {
  if (typeof of !== 'object' || of === null) return false
  const { v, topicId, unknown } = of as Partial<Record<keyof Packed, unknown>>
  const isId = topicId === null || typeof topicId === 'string'
  return v === FORMAT && isId && Array.isArray(unknown) && unknown.every(isRange)
}

function isRange(of: unknown): boolean {
  return Array.isArray(of) && of.length === 2 && of.every(Number.isSafeInteger) && of[0] <= of[1]
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
