import { eventKey, eventTimeMs } from '../formats/identity.ts'
import { EventDecoder } from '../formats/json/event-decoder.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { NewRecord } from '../records/port.ts'
import type { SourceDefinition } from '../topology/definition.ts'

/** A record of the source, as upstream produces it. */
export interface Input {
  /** Strings and bytes are sent as they are, `null` as no value, anything else as JSON. */
  readonly value: unknown
  /**
   * The record key, which decides the partition; `null`: no key.
   * @default what the topology's `key` returns for the value
   */
  readonly key?: string | null
  /**
   * The record's timestamp, ms since the epoch; the future guard compares the event time with it.
   * @default the event's own time; the driver's clock where the value is not an event
   */
  readonly timestampMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** Makes source records from the inputs of a test. */
export class InputRecords {
  readonly #source: SourceDefinition
  readonly #decoder: EventDecoder

  constructor(source: SourceDefinition) {
    this.#source = source
    this.#decoder = new EventDecoder(source)
  }

  /**
   * @throws TidemarkError `KEY_INVALID`: no key is given, and the topology's `key` finds none in
   * the value
   */
  recordOf(input: Input, nowMs: number): NewRecord {
    const value = bytesOf(input.value)
    const isWhole = input.key !== undefined && input.timestampMs !== undefined
    const event = isWhole ? null : this.#eventOf(value)
    const key = input.key === undefined ? this.#keyOf(event ?? input.value) : input.key
    return {
      topic: this.#source.topic,
      partition: null,
      key: key === null ? null : Buffer.from(key),
      value,
      timestampMs: input.timestampMs ?? this.#timeOf(event) ?? nowMs,
      headers: Object.entries(input.headers ?? {}).map(([name, text]) => ({
        name,
        value: Buffer.from(text),
      })),
    }
  }

  /** The event as the topology will see it; `null`: it is not an event. */
  #eventOf(value: Buffer | null): unknown {
    return orNull(() => this.#decoder.decode({ key: Buffer.from('any'), value }))
  }

  #timeOf(event: unknown): number | null {
    return orNull(() => eventTimeMs(this.#source.eventTimeMs, event))
  }

  #keyOf(event: unknown): string {
    const key = orNull(() => eventKey(this.#source.key, event))
    if (key !== null) return key
    throw new TidemarkError(
      'KEY_INVALID',
      'the topology finds no key in this value: give one, as in driver.pipeRecords({ key, value })',
    )
  }
}

function orNull<R>(of: () => R): R | null {
  try {
    return of()
  } catch (error) {
    if (error instanceof TidemarkError) return null
    throw error
  }
}

function bytesOf(value: unknown): Buffer | null {
  if (value === null) return null
  if (Buffer.isBuffer(value)) return value
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
}
