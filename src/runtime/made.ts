import type { NewRecord } from '../records/port.ts'
import { WrittenRecord } from '../records/written-record.ts'

/** Records that a chunk was made into, and by their index the offset of the record that each came of. */
export interface Made {
  readonly records: readonly NewRecord[]
  readonly causes: readonly number[]
}

const NONE: Made = { records: [], causes: [] }

/** Of numbers and lengths around a record, and around each of its headers, on the wire, bytes. */
const ON_THE_WIRE = { record: 20, header: 4 }
/** Of the objects of a record, and of each of its headers, while it waits, bytes; `written`: of one that is written already. */
const IN_MEMORY = { record: 400, header: 130, written: 120 }

/** About what a record takes in a request, bytes. */
export function wireBytes(record: NewRecord): number {
  if (record instanceof WrittenRecord) return ON_THE_WIRE.record + record.partsBytes
  const { key, value, headers } = record
  let bytes = ON_THE_WIRE.record + (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) {
    bytes += ON_THE_WIRE.header + header.name.length + header.value.length
  }
  return bytes
}

/** About what it takes in memory until then, bytes. */
export function memoryBytes(record: NewRecord, onTheWire: number): number {
  if (record instanceof WrittenRecord) return onTheWire + IN_MEMORY.written
  return onTheWire + IN_MEMORY.record + IN_MEMORY.header * record.headers.length
}

/** Bytes of a record's value. */
export function valueBytes(record: NewRecord): number {
  return record instanceof WrittenRecord ? record.valueBytes : (record.value?.length ?? 0)
}

/** What several steps have made, in log order; of one record, in the order of the steps. */
export function inLogOrder(all: readonly Made[]): Made {
  const [first, ...others] = all.filter(({ records }) => records.length > 0)
  if (first === undefined) return NONE
  if (others.length === 0) return first
  const made = [first, ...others].flatMap(({ records, causes }) =>
    records.map((record, i) => ({ record, cause: causes[i] as number })),
  )
  made.sort((a, b) => a.cause - b.cause)
  return { records: made.map((m) => m.record), causes: made.map((m) => m.cause) }
}

/** Without those that came of records before an offset. */
export function madeFrom({ records, causes }: Made, offset: number): Made {
  const isLeft = (_: unknown, i: number) => (causes[i] as number) >= offset
  return { records: records.filter(isLeft), causes: causes.filter(isLeft) }
}

/** Those that came of records before an offset. */
export function madeBefore({ records, causes }: Made, offset: number): Made {
  const isTaken = (_: unknown, i: number) => (causes[i] as number) < offset
  return { records: records.filter(isTaken), causes: causes.filter(isTaken) }
}
