import type { TidemarkError } from '../kernel/errors.ts'
import type { Assignment, LogRecord, LogRecords } from '../records/port.ts'
import { WrittenRecords } from '../records/written-records.ts'
import type { RecordFault } from './intake.ts'
import type { Made } from './made.ts'
import { isWithin, type OffsetRange, rangesBefore, withOffset } from './offset-ranges.ts'
import {
  type BlockVerdict,
  blockOf,
  endOfBlock,
  packVerdict,
  unpackVerdict,
} from './verdict-record.ts'

/** What {@link Verdicts} are of. */
export interface VerdictsOptions {
  /** The topic in which they are written down. */
  readonly topic: string
  readonly assignment: Assignment
  /** The id of the source topic; `null`: its brokers have none. */
  readonly topicId: string | null
  /** Reads what is written down for the partition. */
  readonly read: () => Promise<readonly LogRecord[]>
}

/** A chunk that is finished. */
interface Finished {
  /** Of its first record, or where it ends if it has none. */
  readonly offset: number
  readonly faults: readonly RecordFault[]
}

/**
 * Which records of a partition were given up because the schema registry did not have their schema.
 * Neither the log nor the registry tells a replay, so it is written down in the commit of the dead
 * letter (rule R9).
 */
export class Verdicts {
  readonly #o: VerdictsOptions
  /** Offsets that were given up, by block. Before output begins all, after that the newest. */
  readonly #unknown = new Map<number, readonly OffsetRange[]>()
  /** Blocks whose record does not say what is in force. */
  readonly #outdated: number[] = []
  #isRead = false

  constructor(options: VerdictsOptions) {
    this.#o = options
  }

  /** Are they known? */
  get isRead(): boolean {
    return this.#isRead
  }

  /**
   * Reads them. In force is what was committed and can be replayed: what is written of records at
   * or after the committed offset was not, and the block of a record that the log no longer has is
   * deleted.
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
      if (!areEqual(unknown, written)) this.#outdated.push(block)
    }
    this.#isRead = true
  }

  /** In a replay: the records that were not given up. */
  kept(records: LogRecords): LogRecords {
    if (this.#unknown.size === 0) return records
    const kept: number[] = []
    for (let i = 0; i < records.length; i++) {
      const offset = records.offsetAt(i)
      if (!isWithin(this.#unknown.get(blockOf(offset)) ?? [], offset)) kept.push(i)
    }
    return kept.length === records.length ? records : records.pick(kept)
  }

  /**
   * Writes down what was given up of a chunk. A commit may end between two of its records; what is
   * then written of the rest is not in force, so that the first chunk after a start corrects it.
   */
  written({ offset, faults }: Finished): Made {
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
  #add(faults: readonly RecordFault[]): Map<number, number> {
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

function areEqual(a: readonly OffsetRange[], b: readonly OffsetRange[]): boolean {
  return (
    a.length === b.length && a.every(([first, last], i) => first === b[i]?.[0] && last === b[i][1])
  )
}
