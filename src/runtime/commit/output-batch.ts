import { WrittenRecords } from '../../connect/written-records.ts'

// Results of tasks until they are committed: merged in log order, measured, and cut at an offset.

/** Approximate overhead per record on the wire, for numbers and lengths, bytes. */
const ON_THE_WIRE = 20
/** Memory per waiting record besides its contents, bytes. */
const IN_MEMORY = 48

/** Records in log order, and by the same index the offset of the record that each came from. */
export interface CausedRecords {
  readonly records: WrittenRecords
  readonly causes: readonly number[]
}

/** Results of one task for a chunk, or for a part of it. */
export interface OutputBatch {
  readonly outputs: CausedRecords
  readonly deadLetters: CausedRecords
}

export interface WriteSize {
  /** Approximate, on the wire. */
  readonly bytes: number
  readonly records: number
}

/** A batch with its sizes, which are computed once. */
export interface SizedBatch extends OutputBatch, WriteSize {
  readonly memoryBytes: number
  readonly topics: readonly TopicShare[]
}

/** The part of a batch that goes to one topic; `isOutput` is false for dead letters. */
interface TopicShare {
  readonly topic: string
  readonly isOutput: boolean
  records: number
  /** Size of the values. */
  bytes: number
  /** Timestamp of the oldest record that has one, ms since the epoch; +Infinity: none has. */
  oldestMs: number
}

const NONE: CausedRecords = { records: new WrittenRecords(), causes: [] }

/** Merges records in log order; those of one cause keep the order of the lists. */
export function inLogOrder(all: readonly CausedRecords[]): CausedRecords {
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

export function sized({ outputs, deadLetters }: OutputBatch): SizedBatch {
  const topics: TopicShare[] = []
  let share: TopicShare | null = null
  let [records, bytes, memoryBytes] = [0, 0, 0]
  for (const { records: written } of [outputs, deadLetters]) {
    const isOutput = written === outputs.records
    for (let i = 0; i < written.length; i++) {
      records++
      bytes += wireBytes(written, i)
      memoryBytes += IN_MEMORY + written.partsBytes(i)
      const topic = written.topic(i)
      if (share?.topic !== topic) share = shareOf(topic, isOutput, topics)
      share.records++
      share.bytes += written.valueBytes(i)
      const timestampMs = written.timestampMs(i)
      // Nothing is older than 1970: a negative timestamp is a producer's number, not a time.
      if (timestampMs >= 0 && timestampMs < share.oldestMs) share.oldestMs = timestampMs
    }
  }
  return { outputs, deadLetters, records, bytes, memoryBytes, topics }
}

export function totalSize(batches: readonly WriteSize[]): WriteSize {
  return {
    bytes: batches.reduce((sum, batch) => sum + batch.bytes, 0),
    records: batches.reduce((sum, batch) => sum + batch.records, 0),
  }
}

/** Size of the results of each record, by its offset; neighbours with one cause are added up. */
export function sizesByCause(batch: SizedBatch): [cause: number, WriteSize][] {
  const lists = [batch.outputs, batch.deadLetters].filter(({ causes }) => causes.length > 0)
  const [first] = lists
  // A record may close a million windows, and is then the only cause of a great many results.
  if (lists.length === 1 && first?.causes[0] === first?.causes.at(-1)) {
    return [[first?.causes[0] as number, batch]]
  }
  const sizes: [number, { bytes: number; records: number }][] = []
  for (const { records, causes } of lists) {
    let last: (typeof sizes)[number] | null = null
    for (const [i, cause] of causes.entries()) {
      if (last?.[0] !== cause) {
        last = [cause, { bytes: 0, records: 0 }]
        sizes.push(last)
      }
      last[1].bytes += wireBytes(records, i)
      last[1].records++
    }
  }
  return sizes
}

/** The part that came from records from an offset up to another. */
export function batchBetween({ outputs, deadLetters }: OutputBatch, first: number, end: number) {
  const within = ({ records: all, causes }: CausedRecords) => {
    const [from, to] = [firstFrom(causes, first), firstFrom(causes, end)]
    const records = new WrittenRecords()
    records.addAll(all, from, to)
    return { records, causes: causes.slice(from, to) }
  }
  return sized({ outputs: within(outputs), deadLetters: within(deadLetters) })
}

/** Approximate size of a record in a request. */
export function wireBytes(records: WrittenRecords, index: number): number {
  return ON_THE_WIRE + records.partsBytes(index)
}

/** The index of the first one that came from a record at or after an offset. */
function firstFrom(causes: readonly number[], offset: number): number {
  const index = causes.findIndex((cause) => cause >= offset)
  return index < 0 ? causes.length : index
}

/** Finds or adds the share of a topic; a topology writes to few topics. */
function shareOf(topic: string, isOutput: boolean, topics: TopicShare[]): TopicShare {
  const share = topics.find((s) => s.topic === topic)
  if (share !== undefined) return share
  const newShare = { topic, isOutput, records: 0, bytes: 0, oldestMs: Number.POSITIVE_INFINITY }
  topics.push(newShare)
  return newShare
}
