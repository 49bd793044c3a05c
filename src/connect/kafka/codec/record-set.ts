import { messageOf, TidemarkError } from '../../../kernel/errors.ts'
import { ColumnRecords } from '../../log-records.ts'
import { MOST_UNPACKED_BYTES, type PackedBatch } from '../../port.ts'
import { NumberReader } from '../../record-format.ts'
import {
  type BatchHeader,
  corrupt,
  HEADER_BYTES,
  isIntact,
  lengthOfBatch,
  readBaseOffset,
  readHeader,
  readLastOffset,
  readLeaderEpoch,
} from './batch-header.ts'
import { codecOf } from './compression.ts'
import { type Most, type OpenBatch, RecordColumns } from './fetched-records.ts'

// Decodes the bytes of a fetch response into records, some at a time, because a batch may have a
// million.

/** Size of the smallest record, bytes: seven varints and no content. */
const SMALLEST_RECORD = 7
const EMPTY = Buffer.alloc(0)
const ALL: Most = { records: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }
const ABORT = 0
const UNKNOWN = { code: 'BATCH_CORRUPT', hint: undefined } as const

export interface RecordSetOptions {
  /** `topic-partition`, for error messages. */
  readonly partition: string
  readonly fromOffset: number
  readonly aborted: readonly AbortedTransaction[]
  /** The most bytes that a compressed batch may unpack to. @default 64 MiB */
  readonly maxUnpackedBytes?: number
  readonly atOnceBytes?: number
}

export interface Portion {
  /** Buffers are views into the fetched bytes. */
  readonly records: ColumnRecords
  /** After the last record and the markers, aborted records and gaps that follow it. */
  readonly nextOffset: number
  /** Set instead of records: a batch that unpacks to more than is allowed. */
  readonly packed: PackedBatch | null
}

type Packed = Readonly<Pick<OpenBatch, 'header' | 'at' | 'to'>>

/**
 * Walks over the lengths of whole batches first, then checks and decodes some records at a time,
 * without control records and aborted ones. The last batch may be cut off. `where` of its errors is
 * `topic-partition@offset`, with the first offset of the batch.
 */
export class RecordSet {
  /** The offset to fetch next: after everything in the set. */
  readonly nextOffset: number
  /** Leader epoch of its last whole batch; `null`: there is none. */
  readonly leaderEpoch: number | null
  readonly #set: Buffer
  readonly #o: RecordSetOptions
  readonly #mostUnpacked: number
  readonly #aborted: AbortedTransactions
  /** Where the next batch begins, and where the last whole one ends. */
  #at = 0
  readonly #end: number
  #open: OpenBatch | null = null
  /** The batch that {@link unpack} has to unpack. */
  #large: Packed | null = null
  #tooLarge: PackedBatch | null = null
  /** The first and the last offset of the batch that is being read. */
  #offset: number
  #lastOffset: number
  #position: number

  /**
   * @throws TidemarkError `BATCH_CORRUPT` · `NOT_SUPPORTED`: format 0 or 1, an offset above 2^53
   */
  constructor(set: Buffer, options: RecordSetOptions) {
    this.#set = set
    this.#o = options
    this.#mostUnpacked = options.maxUnpackedBytes ?? MOST_UNPACKED_BYTES
    this.#aborted = new AbortedTransactions(options.aborted)
    this.#offset = options.fromOffset
    this.#lastOffset = options.fromOffset
    this.#position = options.fromOffset
    const { nextOffset, leaderEpoch, end } = this.#located(() => this.#walk())
    this.nextOffset = nextOffset
    this.leaderEpoch = leaderEpoch
    this.#end = end
  }

  get position(): number {
    return this.#position
  }

  get isRead(): boolean {
    return this.#at >= this.#end && this.#open === null && this.#rest === null
  }

  /**
   * @returns no records where only gaps, markers and aborted ones are left; `null`: call
   * {@link unpack}
   * @throws TidemarkError `BATCH_CORRUPT` · `NOT_SUPPORTED`: an unknown compression, an offset
   * above 2^53
   */
  next(most: Most = ALL): Portion | null {
    return this.#located(() => {
      const batches = this.#gather(most)
      if (batches.length > 0) return this.#read(batches, most)
      if (this.#large !== null) return null
      const packed = this.#tooLarge
      this.#tooLarge = null
      return this.#portion(new RecordColumns(EMPTY, 0, 0), packed?.lastOffset, packed)
    })
  }

  async unpack(): Promise<void> {
    const large = this.#large
    if (large === null) return
    const { header, at, to } = large
    this.#offset = header.baseOffset
    this.#lastOffset = header.lastOffset
    const packed = this.#set.subarray(at + HEADER_BYTES, to)
    let bytes: Buffer
    try {
      bytes = await codecOf(header.compression).unpackApart(packed, this.#mostUnpacked)
    } catch (error) {
      this.#located(() => this.#setAside(large, error))
      return
    } finally {
      this.#large = null
    }
    this.#located(() => this.#begin(header, { bytes, at: 0, to: bytes.length }))
  }

  /** Finds where the batches lie, by their own length fields. */
  #walk() {
    let nextOffset = this.#o.fromOffset
    let leaderEpoch: number | null = null
    let end = 0
    for (;;) {
      const length = lengthOfBatch(this.#set, end)
      if (length === null || end + length > this.#set.length) break
      this.#locate(end)
      nextOffset = Math.max(nextOffset, this.#lastOffset + 1)
      leaderEpoch = readLeaderEpoch(this.#set, end)
      end += length
    }
    // Brokers send the first batch whole. Without it the same fetch would be repeated forever.
    if (end === 0 && this.#set.length > 0) {
      throw corrupt(`${this.#set.length} bytes hold no whole batch`)
    }
    return { nextOffset, leaderEpoch, end }
  }

  /** Returns batches that fit completely, or one that fits in part. */
  #gather(most: Most): OpenBatch[] {
    const batches: OpenBatch[] = []
    let { records, bytes } = most
    for (let batch = this.#current(); batch !== null; batch = this.#current()) {
      records -= batch.left
      bytes -= batch.to - batch.at
      const fits = records >= 0 && bytes >= 0
      if (!fits && batches.length > 0) break
      batches.push(batch)
      if (!fits) break
      this.#open = null
    }
    return batches
  }

  #read(batches: readonly OpenBatch[], most: Most): Portion {
    const { bytes, shifts } = inOneBuffer(batches)
    const capacity = batches.reduce((sum, { left }) => sum + Math.min(left, most.records), 0)
    const columns = new RecordColumns(bytes, capacity, this.#o.fromOffset)
    for (const [i, batch] of batches.entries()) {
      this.#offset = batch.header.baseOffset
      this.#lastOffset = batch.header.lastOffset
      columns.decode(batch, shifts[i] as number, most)
    }
    if (this.#open?.left === 0) this.#open = null
    return this.#portion(columns, batches.at(-1)?.lastOffset)
  }

  /** The next offset after the last records is behind everything in the set, such as markers. */
  #portion(columns: RecordColumns, lastOffset = 0, packed: PackedBatch | null = null): Portion {
    const isLast = this.#current() === null && this.#rest === null
    const next = Math.max(lastOffset + 1, this.#o.fromOffset)
    this.#position = isLast ? this.nextOffset : next
    return { records: new ColumnRecords(columns), nextOffset: this.#position, packed }
  }

  get #rest(): Packed | PackedBatch | null {
    return this.#large ?? this.#tooLarge
  }

  /** The open batch; `null` at the end, and before a batch whose records cannot be read yet. */
  #current(): OpenBatch | null {
    while (this.#open === null && this.#rest === null && this.#at < this.#end) {
      const packed = this.#next()
      if (this.#isWanted(packed)) this.#openNow(packed)
    }
    return this.#open
  }

  #next(): Packed {
    const at = this.#at
    const to = at + (lengthOfBatch(this.#set, at) as number)
    this.#locate(at)
    if (!isIntact(this.#set, at, to)) {
      throw corrupt(`the checksum of a batch of ${to - at} bytes is wrong`)
    }
    this.#at = to
    return { header: readHeader(this.#set, at), at, to }
  }

  #isWanted(packed: Packed): boolean {
    const { producerId, lastOffset, count, isControl, isTransactional } = packed.header
    this.#aborted.reach(lastOffset)
    if (isControl) {
      if (count > 0 && this.#markerOf(packed) === ABORT) this.#aborted.end(producerId)
      return false
    }
    if (isTransactional && this.#aborted.has(producerId)) return false
    return count > 0 && lastOffset >= this.#o.fromOffset
  }

  #openNow(packed: Packed): void {
    const { header, at, to } = packed
    if (header.compression === 0) {
      this.#begin(header, { bytes: this.#set, at: at + HEADER_BYTES, to })
      return
    }
    const { atOnceBytes = this.#mostUnpacked } = this.#o
    const most = Math.min(atOnceBytes, this.#mostUnpacked)
    const body = this.#set.subarray(at + HEADER_BYTES, to)
    try {
      const bytes = codecOf(header.compression).unpack(body, most)
      this.#begin(header, { bytes, at: 0, to: bytes.length })
    } catch (error) {
      if (isTooLarge(error) && most < this.#mostUnpacked) this.#large = packed
      else this.#setAside(packed, error)
    }
  }

  #begin(header: BatchHeader, place: Pick<OpenBatch, 'bytes' | 'at' | 'to'>): void {
    const { count, baseOffset } = header
    const bytes = place.to - place.at
    // Columns are allocated for as many records as the header says.
    if (count > bytes / SMALLEST_RECORD) {
      throw corrupt(`${count} records cannot be in ${bytes} bytes`)
    }
    this.#open = { header, ...place, left: count, lastOffset: baseOffset - 1 }
  }

  /** Keeps a batch that unpacks to too much, and throws any other error. */
  #setAside({ header, at, to }: Packed, error: unknown): void {
    if (!isTooLarge(error)) throw error
    const { baseOffset, lastOffset, maxTimestampMs: timestampMs } = header
    const offset = Math.max(baseOffset, this.#o.fromOffset)
    const count = Math.min(header.count, lastOffset - offset + 1)
    const bytes = this.#set.subarray(at, to)
    const placed = this.#placed(error)
    this.#tooLarge = { offset, lastOffset, count, timestampMs, bytes, error: placed }
  }

  /** Type of the first record in a control batch. Its key is a version and a type, 16 bits each. */
  #markerOf({ header, at, to }: Packed): number {
    if (header.compression !== 0) throw corrupt('a control batch is compressed')
    const reader = new NumberReader(this.#set, at + HEADER_BYTES)
    // Skips length, attributes, timestamp and offset.
    reader.varint()
    reader.at++
    reader.varlong()
    reader.varint()
    const keyBytes = reader.varint()
    if (keyBytes < 4 || reader.at + keyBytes > to) throw corrupt('a control record has no type')
    return this.#set.readInt16BE(reader.at + 2)
  }

  #located<R>(work: () => R): R {
    try {
      return work()
    } catch (error) {
      throw this.#placed(error)
    }
  }

  #locate(at: number): void {
    this.#offset = readBaseOffset(this.#set, at)
    this.#lastOffset = readLastOffset(this.#set, at)
  }

  #placed(error: unknown): TidemarkError {
    const { code, hint: given } = error instanceof TidemarkError ? error : UNKNOWN
    const { partition } = this.#o
    const where = `${partition}@${this.#offset}`
    const place = `${partition.slice(partition.lastIndexOf('-') + 1)}/${this.#lastOffset}`
    const skip = `check the disk of the broker; to go on behind the batch: tidemark offsets skip FILE ${place}`
    const hint = code === 'BATCH_CORRUPT' ? skip : given
    return new TidemarkError(code, messageOf(error), { where, hint, cause: error })
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof TidemarkError && error.code === 'BATCH_TOO_LARGE'
}

function inOneBuffer(batches: readonly OpenBatch[]): { bytes: Buffer; shifts: readonly number[] } {
  const [first] = batches
  if (first === undefined) return { bytes: EMPTY, shifts: [] }
  if (batches.every(({ bytes }) => bytes === first.bytes)) {
    return { bytes: first.bytes, shifts: batches.map(() => 0) }
  }
  let end = 0
  const shifts = batches.map(({ at, to }) => {
    const shift = end - at
    end += to - at
    return shift
  })
  return { bytes: Buffer.concat(batches.map((b) => b.bytes.subarray(b.at, b.to))), shifts }
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

class AbortedTransactions {
  /** Transactions ahead, the one with the first offset last (brokers list them by their end). */
  readonly #ahead: AbortedTransaction[]
  readonly #producers = new Set<number>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#ahead = aborted.toSorted((a, b) => b.firstOffset - a.firstOffset)
  }

  reach(lastOffset: number): void {
    for (let next = this.#ahead.at(-1); next !== undefined; next = this.#ahead.at(-1)) {
      if (next.firstOffset > lastOffset) return
      this.#producers.add(next.producerId)
      this.#ahead.pop()
    }
  }

  /** Called at the producer's abort marker: later batches belong to another transaction. */
  end(producerId: number): void {
    this.#producers.delete(producerId)
  }

  has(producerId: number): boolean {
    return this.#producers.has(producerId)
  }
}
