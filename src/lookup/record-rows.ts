import type { TableDefinition } from '../topology/definition.ts'
import type { Rows } from '../topology/lookup.ts'
import { GoneKeys, isLater, type RecordId } from './record-order.ts'
import type { RecordRow, RowStore } from './rows.ts'

interface Claim extends Omit<RecordRow, 'value'> {
  readonly record: string
  readonly by: RecordId
  /** Its bytes while another record gives the same row. */
  hidden: Buffer | null
}

/** Bytes of a record besides its texts and bytes, measured on Node 20. */
const CLAIM_BYTES = 300

/**
 * The rows of a table. In a topic with `key`, a row has another key than its record, whose
 * tombstone removes it. If several records give one row, the latest is seen; when it goes, the next
 * latest is.
 */
export class RecordRows implements Rows {
  readonly #rows: RowStore
  readonly #hasKey: boolean
  /** By key of the record. */
  readonly #claims = new Map<string, Claim>()
  /** By {@link placeOf}; the record that is seen comes last. */
  readonly #places = new Map<string, Claim[]>()
  readonly #gone = new GoneKeys()
  #bytes = 0

  constructor({ key }: Pick<TableDefinition, 'key'>, rows: RowStore) {
    this.#rows = rows
    this.#hasKey = key !== null
  }

  get size(): number {
    return this.#rows.size
  }

  get bytes(): number {
    return this.#rows.bytes + this.#gone.bytes + this.#bytes
  }

  get spreads(): RowStore['spreads'] {
    return this.#rows.spreads
  }

  get(key: string, timeMs: number): unknown {
    return this.#rows.get(key, timeMs)
  }

  forget(oldestMs: number): Generator<void, void> {
    return this.#rows.forget(oldestMs)
  }

  endLoad(): void {
    this.#gone.endLoad()
    this.#rows.endLoad()
  }

  /** @param record its key; `null`: none, and its row stays */
  put(record: string | null, row: RecordRow, by: RecordId): void {
    if (!this.#hasKey || record === null) {
      this.#rows.put(row, by)
      return
    }
    if (!this.#isNew(record, by)) return
    this.#leave(record)
    this.#gone.remove(record)
    this.#enter({ record, key: row.key, timeMs: row.timeMs, by, hidden: null }, row.value)
  }

  remove(record: string, by: RecordId): void {
    if (!this.#hasKey) this.#rows.delete(record, by)
    else if (this.#isNew(record, by)) {
      this.#leave(record)
      this.#gone.add(record, by)
    }
  }

  #isNew(record: string, by: RecordId): boolean {
    return isLater(by, this.#claims.get(record)?.by ?? this.#gone.get(record))
  }

  #enter(claim: Claim, value: Buffer): void {
    const place = placeOf(claim)
    const others = this.#places.get(place) ?? []
    this.#places.set(place, others)
    this.#claims.set(claim.record, claim)
    this.#bytes += bytesOf(claim)
    const seen = others.at(-1)
    if (!isLater(claim.by, seen?.by)) {
      this.#hide(claim, value)
      others.unshift(claim)
      return
    }
    if (seen !== undefined) this.#hide(seen, this.#rows.bytesOf(seen.key, seen.timeMs) as Buffer)
    others.push(claim)
    this.#rows.put({ ...claim, value }, claim.by)
  }

  #leave(record: string): void {
    const claim = this.#claims.get(record)
    if (claim === undefined) return
    this.#claims.delete(record)
    this.#bytes -= bytesOf(claim)
    const place = placeOf(claim)
    const others = this.#places.get(place) as Claim[]
    others.splice(others.indexOf(claim), 1)
    if (claim.hidden !== null) return
    this.#rows.withdraw(claim.key, claim.timeMs)
    if (others.length === 0) this.#places.delete(place)
    else this.#show(others)
  }

  #show(others: Claim[]): void {
    others.sort((a, b) => (isLater(a.by, b.by) ? 1 : -1))
    const claim = others.at(-1) as Claim
    const value = claim.hidden as Buffer
    this.#bytes -= value.length
    claim.hidden = null
    this.#rows.put({ ...claim, value }, claim.by)
  }

  #hide(claim: Claim, value: Buffer): void {
    claim.hidden = Buffer.from(value)
    this.#bytes += value.length
  }
}

function placeOf({ key, timeMs }: Claim): string {
  return `${timeMs} ${key}`
}

function bytesOf({ record, key, hidden }: Claim): number {
  return CLAIM_BYTES + record.length + 2 * key.length + (hidden?.length ?? 0)
}
