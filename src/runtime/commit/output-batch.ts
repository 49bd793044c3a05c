import { WrittenRecords } from '../../records/written-records.ts'

/**
 * Records produced from a chunk, and, by the same index, the offset of the record that each came
 * from, in log order.
 */
export interface Made {
  readonly records: WrittenRecords
  readonly causes: readonly number[]
}

const NONE: Made = { records: new WrittenRecords(), causes: [] }

/** Approximate overhead per record on the wire, for numbers and lengths, bytes. */
const ON_THE_WIRE = 20
/** Memory per waiting record besides its contents, bytes. */
const IN_MEMORY = 48

/** Approximate size of a record in a request, bytes. */
export function wireBytes(records: WrittenRecords, index: number): number {
  return ON_THE_WIRE + records.partsBytes(index)
}

/** Approximate size of a record in memory until it is written, bytes. */
export function memoryBytes(records: WrittenRecords, index: number): number {
  return IN_MEMORY + records.partsBytes(index)
}

/**
 * Merges what several steps have produced, in log order; the results of one record keep the order
 * of the steps.
 */
export function inLogOrder(all: readonly Made[]): Made {
  const [first, ...others] = all.filter(({ causes }) => causes.length > 0)
  if (first === undefined) return NONE
  if (others.length === 0) return first
  const places = [first, ...others].flatMap(({ records, causes }) =>
    causes.map((cause, index) => ({ records, cause, index })),
  )
  places.sort((a, b) => a.cause - b.cause)
  const records = new WrittenRecords()
  for (const place of places) records.addFrom(place.records, place.index)
  return { records, causes: places.map(({ cause }) => cause) }
}

/** What came from records at or after an offset. */
export function madeFrom(made: Made, offset: number): Made {
  return part(made, firstFrom(made, offset), made.causes.length)
}

/** What came from records before an offset. */
export function madeBefore(made: Made, offset: number): Made {
  return part(made, 0, firstFrom(made, offset))
}

function part({ records: all, causes }: Made, from: number, to: number): Made {
  const records = new WrittenRecords()
  records.addAll(all, from, to)
  return { records, causes: causes.slice(from, to) }
}

/** The index of the first one that came from a record at or after an offset. */
function firstFrom({ causes }: Made, offset: number): number {
  const index = causes.findIndex((cause) => cause >= offset)
  return index < 0 ? causes.length : index
}
