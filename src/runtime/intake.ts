import type { EventBatch, WindowResult } from '../engine/events.ts'
import { eventKey, eventTimeMs } from '../formats/identity.ts'
import type { JsonFormat } from '../formats/json/json-format.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { type Partitioner, partitionOfKey } from '../kernel/partitioners.ts'
import type { Slices } from '../kernel/slices.ts'
import type { Read } from '../plan/events.ts'
import type { LogRecord, PackedBatch } from '../records/port.ts'
import type { SourceDefinition } from '../topology/definition.ts'

/** The step that a record which is no event has failed at. */
const DECODE = 'decode'
/** So many records are decoded before it is asked whether others are to have their turn. */
const UNASKED = 32

/** A record that cannot go on, and why. */
export interface RecordFault {
  readonly record: LogRecord
  /** The closed window whose result it is that cannot go on; `null`: the record itself. */
  readonly window: WindowResult | null
  /** Instead of one record: a batch that nobody has unpacked. */
  readonly packed?: PackedBatch
  readonly step: string
  readonly error: TidemarkError
}

/** The events of a chunk, the record each came from, and the records that are no events. */
export interface Intake {
  readonly batch: EventBatch
  readonly records: readonly LogRecord[]
  readonly faults: readonly RecordFault[]
}

/** Turns the records of one source into events. A bad one is set aside, its neighbours go on. */
export class EventIntake {
  readonly #format: JsonFormat
  readonly #readKey: Read<string>
  readonly #readTimeMs: Read<number>
  readonly #checkKey: (key: string) => void

  /** @param place where its records lie; `null`: any key may lie there */
  constructor(source: SourceDefinition, format: JsonFormat, place: Place | null = null) {
    this.#format = format
    this.#readKey = format.reader(source.key)
    this.#readTimeMs = format.reader(source.eventTimeMs)
    const { keyMismatch, partitioner } = source
    const isChecked = place !== null && keyMismatch === 'dead-letter' && partitioner !== 'unknown'
    this.#checkKey = isChecked ? keyCheck(place, partitioner ?? 'murmur2') : () => {}
  }

  /** Yields where others are to have their turn. */
  *take(records: readonly LogRecord[], slices: Slices): Generator<void, Intake> {
    const decoded: LogRecord[] = []
    const keys: string[] = []
    const events = this.#format.events(records.length, (index) => decoded[index] as LogRecord)
    const keyOf = (index: number) => this.#readKey(events, index)
    const timeMsOf = (index: number) => this.#readTimeMs(events, index)
    const timesMs = new Float64Array(records.length)
    const recordTimesMs = new Float64Array(records.length)
    const faults: RecordFault[] = []
    for (const [i, record] of records.entries()) {
      if (i % UNASKED === UNASKED - 1 && slices.isOver) yield
      const index = decoded.length
      decoded.push(record)
      try {
        this.#format.decode(record, events)
        const key = eventKey(keyOf, index)
        this.#checkKey(key)
        timesMs[index] = eventTimeMs(timeMsOf, index)
        recordTimesMs[index] = record.timestampMs
        keys.push(key)
      } catch (thrown) {
        decoded.pop()
        events.cut(index)
        if (!(thrown instanceof TidemarkError) || thrown.action !== 'dead-letter') throw thrown
        faults.push({ record, window: null, step: DECODE, error: thrown })
      }
    }
    const batch = { count: decoded.length, keys, timesMs, recordTimesMs, events }
    return { batch, records: decoded, faults }
  }
}

/** A partition of a topic that has so many. */
interface Place {
  readonly partition: number
  readonly partitions: number
}

function keyCheck({ partition, partitions }: Place, by: Partitioner): (key: string) => void {
  return (key) => {
    const placed = partitionOfKey(Buffer.from(key), partitions, by)
    if (placed === partition) return
    const what = `its key belongs in partition ${placed} of ${partitions}, by ${by}, and it lies in ${partition}`
    throw new TidemarkError('KEY_PARTITION', what)
  }
}

/** A batch that nobody has unpacked holds no events: it is set aside as it is. */
export function packedIntake(packed: PackedBatch): Intake {
  const { offset, timestampMs, bytes, error } = packed
  const record = { offset, timestampMs, key: null, value: bytes, headers: [] }
  return { ...NOTHING, faults: [{ record, window: null, packed, step: DECODE, error }] }
}

const NO_TIMES = new Float64Array(0)
const NOTHING: Intake = {
  batch: { count: 0, keys: [], timesMs: NO_TIMES, recordTimesMs: NO_TIMES, events: [] },
  records: [],
  faults: [],
}
