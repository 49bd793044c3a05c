import type { RawRecord } from '../formats/format.ts'
import { eventKey, eventTimeMs } from '../formats/identity.ts'
import { recordDecoder } from '../formats/open-format.ts'
import { GivenRecord, type RecordDecoder, UNWRITTEN } from '../formats/record-decoding.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { Header, NewRecord } from '../records/port.ts'
import type { SourceDefinition } from '../topology/definition.ts'
import type { SourceRecord } from '../topology/source-record.ts'

/** A record of the source, or of a table's topic, as upstream produces it. */
export interface Input {
  /** Strings and bytes are sent as they are, `null` as no value, anything else as JSON. */
  readonly value: unknown
  /**
   * The record key, which decides the partition; `null`: no key.
   * @default what the topology's `key`, or the table's, returns for the value
   */
  readonly key?: string | null
  /**
   * The record's timestamp, ms since the epoch; the future guard compares the event time with it.
   * @default the event's own time; the driver's clock for a row, or a value that is not an event
   */
  readonly timestampMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

const NO_KEY = Buffer.alloc(0)

/** Makes source records from the inputs of a test. */
export class InputRecords {
  readonly #source: SourceDefinition
  readonly #decoder: RecordDecoder

  constructor(source: SourceDefinition) {
    this.#source = source
    this.#decoder = recordDecoder(source)
  }

  /**
   * @throws TidemarkError `KEY_INVALID`: no key is given, and the topology's `key` finds none in
   * the value
   */
  recordOf(input: Input, nowMs: number): NewRecord {
    const { topic } = this.#source
    const record = {
      offset: UNWRITTEN,
      timestampMs: input.timestampMs ?? nowMs,
      key: typeof input.key === 'string' ? Buffer.from(input.key) : NO_KEY,
      value: bytesOf(input.value),
      headers: headersOf(input),
    }
    const given = new GivenRecord(record, { topic, partition: UNWRITTEN })
    const isWhole = input.key !== undefined && input.timestampMs !== undefined
    const event = isWhole ? null : this.#eventOf(record)
    const key = input.key === undefined ? this.#keyOf(event ?? input.value, given) : input.key
    return {
      topic,
      partition: null,
      key: key === null ? null : Buffer.from(key),
      value: record.value,
      timestampMs: input.timestampMs ?? this.#timeOf(event, given) ?? nowMs,
      headers: record.headers,
    }
  }

  /** The event as the topology will see it; `null`: it is not an event. */
  #eventOf(record: RawRecord): unknown {
    const from = { topic: this.#source.topic, partition: UNWRITTEN }
    return orNull(() => this.#decoder.decode(record, from))
  }

  #timeOf(event: unknown, given: SourceRecord): number | null {
    const { eventTimeMs: of } = this.#source
    if (of === 'record') return null
    return orNull(() => eventTimeMs((e) => of(e, given), event))
  }

  #keyOf(event: unknown, given: SourceRecord): string {
    const key = orNull(() => eventKey((e) => this.#source.key(e, given), event))
    if (key !== null) return key
    throw new TidemarkError(
      'KEY_INVALID',
      'the topology finds no key in this value: give one, as in driver.pipeRecords({ key, value })',
    )
  }
}

/** The headers of an input, as a record has them. */
export function headersOf({ headers = {} }: Pick<Input, 'headers'>): Header[] {
  return Object.entries(headers).map(([name, text]) => ({ name, value: Buffer.from(text) }))
}

function orNull<R>(of: () => R): R | null {
  try {
    return of()
  } catch (error) {
    if (error instanceof TidemarkError) return null
    throw error
  }
}

/** The value of a record: strings and bytes as they are, `null` as none, the rest as JSON. */
export function bytesOf(value: unknown): Buffer | null {
  if (value === null) return null
  if (Buffer.isBuffer(value)) return value
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
}
