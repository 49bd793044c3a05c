import { eventKey, eventTimeMs } from '../codec/identity.ts'
import { EventDecoder } from '../codec/json.ts'
import type { EventBatch, WindowResult } from '../engine/events.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { LogRecord } from '../records/port.ts'
import type { SourceDefinition } from '../topology/definition.ts'

/** The step that a record which is no event has failed at. */
const DECODE = 'decode'

/** A record that cannot go on, and why. */
export interface RecordFault {
  readonly record: LogRecord
  /** The closed window whose result it is that cannot go on; `null`: the record itself. */
  readonly window: WindowResult | null
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
  readonly #source: SourceDefinition
  readonly #decoder: EventDecoder

  constructor(source: SourceDefinition) {
    this.#source = source
    this.#decoder = new EventDecoder(source)
  }

  take(records: readonly LogRecord[]): Intake {
    const decoded: LogRecord[] = []
    const keys: string[] = []
    const events: unknown[] = []
    const timesMs = new Float64Array(records.length)
    const recordTimesMs = new Float64Array(records.length)
    const faults: RecordFault[] = []
    for (const record of records) {
      try {
        const event = this.#decoder.decode(record)
        const key = eventKey(this.#source.key, event)
        timesMs[decoded.length] = eventTimeMs(this.#source.eventTimeMs, event)
        recordTimesMs[decoded.length] = record.timestampMs
        keys.push(key)
        events.push(event)
        decoded.push(record)
      } catch (thrown) {
        if (!(thrown instanceof TidemarkError) || thrown.action !== 'dead-letter') throw thrown
        faults.push({ record, window: null, step: DECODE, error: thrown })
      }
    }
    const batch = { count: decoded.length, keys, timesMs, recordTimesMs, events }
    return { batch, records: decoded, faults }
  }
}
