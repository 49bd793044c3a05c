import type { ColumnType } from '../../columns/columns.ts'
import type { Events, Reader } from '../../columns/events.ts'
import { FieldRead, NO_CELL, type ScannedEvents } from '../../columns/scanned-events.ts'
import type { EventBatch } from '../../engine/events.ts'
import type { Dictionary } from '../../engine/store/dictionary.ts'
import type { Decoded, DecodeFault, Format } from '../../formats/format.ts'
import { eventKey, eventTimeMs, recordTimeMs } from '../../formats/identity.ts'
import { GivenRecord } from '../../formats/record-decoding.ts'
import type { Memory } from '../../kernel/bytes.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { type Partitioner, partitionOfKey } from '../../kernel/kafka.ts'
import type { Slices } from '../../kernel/slices.ts'
import { isEventTime } from '../../kernel/time.ts'
import { NO_RECORDS } from '../../records/log-records.ts'
import type { LogRecords, PackedBatch, TopicPartition } from '../../records/port.ts'
import type { EventFunction, RecordFunction, SourceDefinition } from '../../topology/definition.ts'
import { takesSecond } from '../../topology/function-source.ts'
import type { SourceRecord } from '../../topology/source.ts'
import type { RecordFault } from '../output/dead-letter.ts'
import type { Intake } from '../output/outcomes.ts'

/** The step of a record that is not an event. */
const DECODE = 'decode'
/** Events processed between two looks at the clock. */
const UNASKED = 32

interface KeysAndTimes {
  readonly keys: Int32Array
  readonly timesMs: Float64Array
  /** Records whose events have no valid key or time. */
  readonly faults: readonly DecodeFault[]
}

/**
 * Turns the records of one source into events. A bad record becomes a dead letter; its neighbours
 * are processed.
 */
export class EventIntake {
  readonly #format: Format
  readonly #keyNumbers: Dictionary
  readonly #from: TopicPartition
  readonly #readKey: SourceRead<string>
  /** Its result is valid. */
  readonly #readTimeMs: SourceRead<number>
  /** The fields that `key` and `eventTimeMs` read, if they only read a field. */
  readonly #keyField: FieldRead<string> | null
  readonly #timeField: FieldRead<number> | null
  readonly #checkKey: ((key: string) => void) | null

  constructor(source: SourceDefinition, format: Format, o: IntakeOptions) {
    const { from, partitions, keyNumbers } = o
    this.#format = format
    this.#keyNumbers = keyNumbers
    this.#from = from
    this.#readKey = sourceRead(source.key, format.reader)
    const timeMs = source.eventTimeMs
    const readTime = timeMs === 'record' ? null : sourceRead(timeMs, format.reader)
    this.#readTimeMs = readTime === null ? RECORD_TIME : checkedTime(readTime)
    const { keyMismatch, partitioner } = source
    const isChecked =
      partitions !== null && keyMismatch === 'dead-letter' && partitioner !== 'unknown'
    this.#checkKey = isChecked
      ? keyCheck({ partition: from.partition, partitions }, partitioner ?? 'murmur2')
      : null
    // A key that is checked is needed as a string.
    this.#keyField = isChecked ? null : fieldOf(this.#readKey, 'text')
    this.#timeField = readTime === null ? null : fieldOf(readTime, 'number')
  }

  /** Yields where other work should have its turn. */
  *decode(records: LogRecords, slices: Slices): Generator<void, Intake> {
    const faults: RecordFault[] = []
    for (let taken = records; ; ) {
      const chunk = { from: this.#from, records: taken }
      const decoded = yield* this.#format.decode(chunk, slices)
      const named = yield* this.#name(decoded, new EventRecords(chunk, decoded.records), slices)
      for (const { record, error } of [...decoded.faults, ...named.faults]) {
        faults.push({ record: taken.at(record), window: null, step: DECODE, error })
      }
      const left = decoded.records.length === taken.length ? taken : taken.pick(decoded.records)
      if (named.faults.length === 0)
        return { batch: batchOf(decoded, named, left), records: left, faults }
      // Events without a key or a time are rare: the chunk is decoded again without them.
      const unnamed = new Set(named.faults.map(({ record }) => record))
      taken = taken.pick(decoded.records.filter((record) => !unnamed.has(record)))
    }
  }

  *#name(
    { events, records }: Decoded,
    given: EventRecords,
    slices: Slices,
  ): Generator<void, KeysAndTimes> {
    const keys = new Int32Array(records.length)
    const timesMs = new Float64Array(records.length)
    const faults: DecodeFault[] = []
    for (let index = 0; index < records.length; index++) {
      if (index % UNASKED === UNASKED - 1 && slices.isOver) yield
      try {
        keys[index] = this.#keyOf(events, index, given)
        timesMs[index] = this.#timeOf(events, index, given)
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.action !== 'dead-letter') throw error
        faults.push({ record: records[index] as number, error })
      }
    }
    return { keys, timesMs, faults }
  }

  #keyOf(events: ScannedEvents, index: number, given: EventRecords): number {
    const cell = this.#keyField?.cellIn(events, index) ?? NO_CELL
    if (cell !== NO_CELL) {
      const { starts, ends } = events.columns
      const from = starts[cell] as number
      const to = ends[cell] as number
      const memory = events.memoryOf(index) as Memory
      if (from < to) return this.#keyNumbers.numberOfBytes(memory, from, to)
    }
    return this.#readKeyOf(events, index, given)
  }

  /**
   * A function of its own, because a closure over an index costs memory wherever it is in a
   * function.
   */
  #readKeyOf(events: ScannedEvents, index: number, given: EventRecords): number {
    const key = eventKey((of) => this.#readKey.of(of, index, given), events)
    this.#checkKey?.(key)
    return this.#keyNumbers.numberOf(key)
  }

  #timeOf(events: ScannedEvents, index: number, given: EventRecords): number {
    const cell = this.#timeField?.cellIn(events, index) ?? NO_CELL
    const timeMs = cell === NO_CELL ? Number.NaN : (events.columns.numbers[cell] as number)
    return isEventTime(timeMs) ? timeMs : this.#readTimeMs.of(events, index, given)
  }
}

interface IntakeOptions {
  readonly from: TopicPartition
  readonly partitions: number | null
  readonly keyNumbers: Dictionary
}

/** The records of a chunk's events, by the index of the event. */
class EventRecords {
  readonly #from: TopicPartition
  readonly #records: LogRecords
  readonly #indices: readonly number[]

  constructor(
    { from, records }: { readonly from: TopicPartition; readonly records: LogRecords },
    indices: readonly number[],
  ) {
    this.#from = from
    this.#records = records
    this.#indices = indices
  }

  at(index: number): SourceRecord {
    return new GivenRecord(this.#records.at(this.#indices[index] as number), this.#from)
  }

  timestampMsAt(index: number): number {
    return this.#records.timestampMsAt(this.#indices[index] as number)
  }
}

interface SourceRead<R> {
  of(events: Events, index: number, given: EventRecords): R
}

/** A function that takes the record is called with it. */
function sourceRead<R>(of: RecordFunction<R>, reader: Reader): SourceRead<R> {
  if (!takesSecond(of)) return reader(of as EventFunction<R>)
  return { of: (events, index, given) => of(events.at(index), given.at(index)) }
}

const RECORD_TIME: SourceRead<number> = {
  of: (_, index, given) => recordTimeMs(given.timestampMsAt(index)),
}

function checkedTime(read: SourceRead<number>): SourceRead<number> {
  return {
    of: (events, index, given) => eventTimeMs((of) => read.of(of, index, given), events),
  }
}

function batchOf(
  { events }: Decoded,
  { keys, timesMs }: KeysAndTimes,
  records: LogRecords,
): EventBatch {
  const recordTimesMs = new Float64Array(records.length)
  for (let i = 0; i < records.length; i++) recordTimesMs[i] = records.timestampMsAt(i)
  return { count: records.length, keys, timesMs, recordTimesMs, events }
}

function fieldOf<R>(read: SourceRead<R>, type: ColumnType): FieldRead<R> | null {
  return read instanceof FieldRead && read.type === type ? read : null
}

interface SourcePartition {
  readonly partition: number
  readonly partitions: number
}

function keyCheck(
  { partition, partitions }: SourcePartition,
  by: Partitioner,
): (key: string) => void {
  return (key) => {
    const placed = partitionOfKey(Buffer.from(key), partitions, by)
    if (placed === partition) return
    const what = `its key belongs in partition ${placed} of ${partitions} by ${by}, but the record is in partition ${partition}`
    throw new TidemarkError('KEY_PARTITION', what)
  }
}

/** A batch that was not unpacked has no events, and becomes one dead letter. */
export function packedIntake(packed: PackedBatch): Intake {
  const { offset, timestampMs, bytes, error } = packed
  const record = { offset, timestampMs, key: null, value: bytes, headers: [] }
  return { ...NOTHING, faults: [{ record, window: null, packed, step: DECODE, error }] }
}

const NO_TIMES = new Float64Array(0)
const NOTHING: Intake = {
  batch: {
    count: 0,
    keys: new Int32Array(0),
    timesMs: NO_TIMES,
    recordTimesMs: NO_TIMES,
    events: [],
  },
  records: NO_RECORDS,
  faults: [],
}
