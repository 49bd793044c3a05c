import type {
  Decoded,
  Format,
  Preparing,
  RawChunk,
  RawRecord,
  RawRecords,
} from '../formats/format.ts'
import type { ValuePlace } from '../kernel/bytes.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { atOnce, Slices } from '../kernel/slices.ts'
import { type MakeRow, rowFault } from '../lookup/rows.ts'

/** Stands in for the record's key: formats demand one, and a table checks its keys itself. */
const ANY_KEY = Buffer.from('k')
/** What a table's values do not depend on. */
const UNSAID = { offset: 0, timestampMs: 0, key: ANY_KEY, headers: [] }
const NOWHERE = { topic: '', partition: 0 }

/** Makes rows from the records of a table's topic. */
export class TableFormat {
  readonly #format: Format
  readonly #slices = new Slices()

  constructor(format: Format) {
    this.#format = format
  }

  /** As {@link Format.prepare}. */
  prepare(records: RawRecords, how: Preparing): Promise<void> | null {
    return this.#format.prepare(new Keyed(records), how)
  }

  /** Checks the values of records, as {@link Format.decode} does, whatever their keys. */
  decode({ from, records }: RawChunk, slices: Slices): Generator<void, Decoded> {
    return this.#format.decode({ from, records: new Keyed(records) }, slices)
  }

  /** Makes the row of a value that was found valid. */
  readonly make: MakeRow = (value) => {
    const { events, faults } = atOnce(
      this.#format.decode({ from: NOWHERE, records: new Single(value) }, this.#slices),
    )
    const [fault] = faults
    if (fault !== undefined) throw fault.error
    return events.at(0) ?? noRow()
  }
}

function noRow(): never {
  throw rowFault('the schema returned no row')
}

/** Records that all have a key. */
class Keyed implements RawRecords {
  readonly #records: RawRecords

  constructor(records: RawRecords) {
    this.#records = records
  }

  get length(): number {
    return this.#records.length
  }

  at(index: number): RawRecord {
    return { ...UNSAID, value: this.#records.at(index).value }
  }

  locate(index: number, into: ValuePlace): void {
    this.#records.locate(index, into)
    into.hasKey = true
  }
}

/** One value, to be decoded into an object. It reports no place, so that it is not scanned. */
class Single implements RawRecords {
  readonly length = 1
  readonly #value: Buffer

  constructor(value: Buffer) {
    this.#value = value
  }

  at(): RawRecord {
    return { ...UNSAID, value: this.#value }
  }

  locate(_index: number, into: ValuePlace): void {
    into.valueStart = -1
  }
}

/** Is it a fault of a record, rather than one that ends the worker? */
export function isOfRecord(thrown: unknown): thrown is TidemarkError {
  if (!(thrown instanceof TidemarkError)) return false
  return thrown.action === 'dead-letter' || thrown.code === 'TABLE_INVALID'
}
