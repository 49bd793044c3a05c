import { WrittenRecords } from '../records/written-records.ts'

/**
 * Records that a chunk was made into, and by their index the offset of the record that each came
 * of, in log order.
 */
export interface Made {
  readonly records: WrittenRecords
  readonly causes: readonly number[]
}

const NONE: Made = { records: new WrittenRecords(), causes: [] }

/** Of numbers and lengths around a record on the wire, bytes. */
const ON_THE_WIRE = 20
/** Of what is known of a record while it waits, bytes. */
const IN_MEMORY = 48

/** About what a record takes in a request, bytes. */
export function wireBytes(records: WrittenRecords, index: number): number {
  return ON_THE_WIRE + records.partsBytes(index)
}

/** About what it takes in memory until then, bytes. */
export function memoryBytes(records: WrittenRecords, index: number): number {
  return IN_MEMORY + records.partsBytes(index)
}

/** What several steps have made, in log order; of one record, in the order of the steps. */
export function inLogOrder(all: readonly Made[]): Made {
  const [first, ...others] = all.filter(({ causes }) => causes.length > 0)
  if (first === undefined) return NONE
  if (others.length === 0) return first
  const places = [first, ...others].flatMap(({ records, causes }) =>
    causes.map((cause, index) => ({ records, cause, index })),
  )
  places.sort((a, b) => a.cause - b.cause)
  const records = new WrittenRecords()
  for (const place of places) records.take(place.records, place.index)
  return { records, causes: places.map(({ cause }) => cause) }
}

/** Without those that came of records before an offset. */
export function madeFrom(made: Made, offset: number): Made {
  return part(made, firstFrom(made, offset), made.causes.length)
}

/** Those that came of records before an offset. */
export function madeBefore(made: Made, offset: number): Made {
  return part(made, 0, firstFrom(made, offset))
}

function part({ records: all, causes }: Made, from: number, to: number): Made {
  const records = new WrittenRecords()
  records.takeAll(all, from, to)
  return { records, causes: causes.slice(from, to) }
}

/** The index of the first that came of a record at an offset or behind it. */
function firstFrom({ causes }: Made, offset: number): number {
  const index = causes.findIndex((cause) => cause >= offset)
  return index < 0 ? causes.length : index
}
