import type { ColumnType } from '../../columns/columns.ts'
import type { Events } from '../../columns/events.ts'
import { FieldRead, NO_CELL, type ScannedEvents } from '../../columns/scanned-events.ts'
import { NO_RECORDS } from '../../connect/log-records.ts'
import type { LogRecord, LogRecords, PackedBatch, TopicPartition } from '../../connect/port.ts'
import type { EventBatch } from '../../engine/events.ts'
import type { Dictionary } from '../../engine/store/dictionary.ts'
import type { Format } from '../../formats/format.ts'
import { eventKey, eventTimeMs, recordTimeMs } from '../../formats/identity.ts'
import { GivenRecord } from '../../formats/record-decoding.ts'
import type { Memory } from '../../kernel/bytes.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { type Partitioner, partitionOfKey } from '../../kernel/kafka.ts'
import type { Slices } from '../../kernel/slices.ts'
import { isEventTime } from '../../kernel/time.ts'
import type { EventFunction, RecordFunction, SourceDefinition } from '../../topology/definition.ts'
import { takesSecond } from '../../topology/function-source.ts'
import type { RecordFault } from '../output/dead-letter.ts'
import type { DecodedRecords } from '../output/outcomes.ts'

/** The step of a record that is not an event. */
const DECODE = 'decode'
/** Events processed between two looks at the clock. */
const UNASKED = 32

/**
 * Turns the records of one source into events. A bad record becomes a dead letter; its neighbours
 * are processed.
 */
export class RecordDecoder {
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
  readonly #mayBeNumber: boolean

  constructor(source: SourceDefinition, format: Format, o: RecordDecoderOptions) {
    const { from, partitions, keyNumbers } = o
    this.#format = format
    this.#keyNumbers = keyNumbers
    this.#from = from
    const read = <R>(recordFunction: RecordFunction<R>): SourceRead<R> =>
      takesSecond(recordFunction)
        ? withRecord(recordFunction, from)
        : format.reader(recordFunction as EventFunction<R>)
    this.#readKey = read(source.key)
    const readTime = source.eventTimeMs === 'record' ? null : read(source.eventTimeMs)
    this.#readTimeMs = readTime === null ? RECORD_TIME : checkedTime(readTime)
    const { keyMismatch, partitioner } = source
    const isChecked =
      partitions !== null && keyMismatch === 'dead-letter' && partitioner !== 'unknown'
    this.#checkKey = isChecked
      ? keyCheck(from.partition, partitions, partitioner ?? 'murmur2')
      : null
    const keyField = fieldOf(this.#readKey, 'text')
    this.#mayBeNumber = keyField === null
    // A key that is checked is needed as a string.
    this.#keyField = isChecked ? null : keyField
    this.#timeField = readTime === null ? null : fieldOf(readTime, 'number')
  }

  /** Yields where other work should have its turn. */
  *decode(records: LogRecords, slices: Slices): Generator<void, DecodedRecords> {
    const faults: RecordFault[] = []
    for (let taken = records; ; ) {
      const decoded = yield* this.#format.decode({ from: this.#from, records: taken }, slices)
      const given = decoded.records.length === taken.length ? taken : taken.pick(decoded.records)
      const { batch, unnamed } = yield* this.#name(decoded.events, given, slices)
      const add = (record: LogRecord, error: TidemarkError) =>
        faults.push({ record, window: null, step: DECODE, error })
      for (const { record, error } of decoded.faults) add(taken.at(record), error)
      for (const [index, error] of unnamed) add(given.at(index), error)
      if (unnamed.size === 0) return { batch, records: given, faults }
      // Events without a key or a time are rare: the chunk is decoded again without them.
      const named = Array.from({ length: given.length }, (_, i) => i).filter((i) => !unnamed.has(i))
      taken = given.pick(named)
    }
  }

  /** @returns also the events that have no valid key or time, and why */
  *#name(events: ScannedEvents, given: LogRecords, slices: Slices) {
    const { length: count } = given
    const keys = new Int32Array(count)
    const timesMs = new Float64Array(count)
    const recordTimesMs = new Float64Array(count)
    const unnamed = new Map<number, TidemarkError>()
    for (let index = 0; index < count; index++) {
      if (index % UNASKED === UNASKED - 1 && slices.isOver) yield
      recordTimesMs[index] = given.timestampMsAt(index)
      try {
        keys[index] = this.#keyOf(events, index, given)
        timesMs[index] = this.#timeOf(events, index, given)
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.action !== 'dead-letter') throw error
        unnamed.set(index, error)
      }
    }
    const batch: EventBatch = { count, keys, timesMs, recordTimesMs, events }
    return { batch, unnamed }
  }

  #keyOf(events: ScannedEvents, index: number, given: LogRecords): number {
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
  #readKeyOf(events: ScannedEvents, index: number, given: LogRecords): number {
    const key = eventKey((event) => this.#readKey.of(event, index, given), events)
    this.#checkKey?.(key)
    if (this.#mayBeNumber) this.#format.checkKey(key, given.at(index), this.#from)
    return this.#keyNumbers.numberOf(key)
  }

  #timeOf(events: ScannedEvents, index: number, given: LogRecords): number {
    const cell = this.#timeField?.cellIn(events, index) ?? NO_CELL
    const timeMs = cell === NO_CELL ? Number.NaN : (events.columns.numbers[cell] as number)
    return isEventTime(timeMs) ? timeMs : this.#readTimeMs.of(events, index, given)
  }
}

interface RecordDecoderOptions {
  readonly from: TopicPartition
  readonly partitions: number | null
  readonly keyNumbers: Dictionary
}

interface SourceRead<R> {
  /** @param given the records of the events */
  of(events: Events, index: number, given: LogRecords): R
}

/** A function that takes the record is called with it. */
function withRecord<R>(recordFunction: RecordFunction<R>, from: TopicPartition): SourceRead<R> {
  return {
    of: (events, index, given) =>
      recordFunction(events.at(index), new GivenRecord(given.at(index), from)),
  }
}

const RECORD_TIME: SourceRead<number> = {
  of: (_, index, given) => recordTimeMs(given.timestampMsAt(index)),
}

function checkedTime(read: SourceRead<number>): SourceRead<number> {
  return {
    of: (events, index, given) => eventTimeMs((event) => read.of(event, index, given), events),
  }
}

function fieldOf<R>(read: SourceRead<R>, type: ColumnType): FieldRead<R> | null {
  return read instanceof FieldRead && read.type === type ? read : null
}

function keyCheck(partition: number, partitions: number, by: Partitioner) {
  return (key: string) => {
    const placed = partitionOfKey(Buffer.from(key), partitions, by)
    if (placed === partition) return
    const message = `its key belongs in partition ${placed} of ${partitions} by ${by}, but the record is in partition ${partition}`
    throw new TidemarkError('KEY_PARTITION', message)
  }
}

/** A batch that was not unpacked has no events, and becomes one dead letter. */
export function undecodedBatch(packed: PackedBatch): DecodedRecords {
  const { offset, timestampMs, bytes, error } = packed
  const record = { offset, timestampMs, key: null, value: bytes, headers: [] }
  const faults = [{ record, window: null, packed, step: DECODE, error }]
  return { batch: NO_EVENTS, records: NO_RECORDS, faults }
}

const NO_TIMES = new Float64Array(0)
const NO_EVENTS: EventBatch = {
  count: 0,
  keys: new Int32Array(0),
  timesMs: NO_TIMES,
  recordTimesMs: NO_TIMES,
  events: [],
}
