import { LRUCache } from 'lru-cache'
import type { KeyedHash } from '../kernel/bytes.ts'
import { GoneKeys, isLater, type RecordId } from './record-order.ts'
import { RowBytes } from './row-bytes.ts'
import type { LookupCounts, MakeRow, RecordRow, RowStore } from './rows.ts'
import type { Spread } from './spread.ts'

/** Most rows kept as objects: those looked up last. */
const RECENT = 10_000
/** Partition, offset and timestamp of its record, before each row. */
const ID_BYTES = 20

/** The newest row of each key, as bytes, and as an object while it is looked up often. */
export class CurrentRows implements RowStore {
  readonly spreads: readonly Spread[]
  readonly #make: MakeRow
  readonly #counts: LookupCounts
  readonly #bytes: RowBytes
  readonly #gone = new GoneKeys()
  readonly #recent = new LRUCache<string, ReturnType<MakeRow>>({ max: RECENT })

  constructor(
    { make, hash }: { readonly make: MakeRow; readonly hash: KeyedHash },
    counts: LookupCounts,
    spreads: readonly Spread[] = [],
  ) {
    this.#make = make
    this.#bytes = new RowBytes(hash)
    this.#counts = counts
    this.spreads = spreads
  }

  get size(): number {
    return this.#bytes.size
  }

  get bytes(): number {
    return this.#bytes.bytes + this.#gone.bytes
  }

  get(key: string): unknown {
    const row = this.#recent.get(key) ?? this.#made(key)
    if (row === undefined) this.#counts.absent++
    else this.#counts.found++
    return row
  }

  #made(key: string): ReturnType<MakeRow> | undefined {
    const bytes = this.bytesOf(key)
    if (bytes === null) return undefined
    const row = this.#make(bytes)
    this.#recent.set(key, row)
    return row
  }

  put({ key, value }: RecordRow, by: RecordId): void {
    if (!this.#isNew(key, by)) return
    this.#recent.delete(key)
    this.#gone.remove(key)
    this.#measure(key, -1)
    this.#bytes.set(key, Buffer.concat([bytesOfId(by), value]))
    this.#measure(key, 1)
  }

  delete(key: string, by: RecordId): void {
    if (!this.#isNew(key, by)) return
    this.withdraw(key)
    this.#gone.add(key, by)
  }

  withdraw(key: string): void {
    this.#recent.delete(key)
    this.#measure(key, -1)
    this.#bytes.delete(key)
  }

  bytesOf(key: string): Buffer | null {
    return this.#bytes.get(key)?.subarray(ID_BYTES) ?? null
  }

  *forget(): Generator<void, void> {}

  endLoad(): void {
    this.#gone.endLoad()
  }

  #measure(key: string, by: 1 | -1): void {
    const bytes = this.spreads.length === 0 ? null : this.bytesOf(key)
    if (bytes === null) return
    const row = this.#make(bytes)
    for (const spread of this.spreads) spread.change(row, by)
  }

  #isNew(key: string, by: RecordId): boolean {
    const bytes = this.#bytes.get(key)
    return isLater(by, bytes === null ? this.#gone.get(key) : idIn(bytes))
  }
}

function bytesOfId({ partition, offset, timestampMs }: RecordId): Buffer {
  const bytes = Buffer.allocUnsafe(ID_BYTES)
  bytes.writeUInt32LE(partition)
  bytes.writeDoubleLE(offset, 4)
  bytes.writeDoubleLE(timestampMs, 12)
  return bytes
}

function idIn(bytes: Buffer): RecordId {
  return {
    partition: bytes.readUInt32LE(),
    offset: bytes.readDoubleLE(4),
    timestampMs: bytes.readDoubleLE(12),
  }
}
