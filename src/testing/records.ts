import type { LogRecord, NewRecord } from '../connect/port.ts'
import { eventKey, eventTimeMs } from '../formats/identity.ts'
import { recordDecoder } from '../formats/open-format.ts'
import { type DecodeRecord, GivenRecord, UNWRITTEN } from '../formats/record-decoding.ts'
import { configFault, orFault, TidemarkError } from '../kernel/errors.ts'
import { recordKeyOf } from '../lookup/rows.ts'
import { reasonOf } from '../runtime/output/dead-letter.ts'
import { ID_HEADER } from '../runtime/output/provenance.ts'
import type { Definition, SourceDefinition, TableDefinition } from '../topology/definition.ts'

/** A record of the source, or of a table's topic, as upstream produces it. */
export interface Input {
  /** Strings and bytes are sent as they are, `null` as no value, anything else as JSON. */
  readonly value: unknown
  /**
   * The record key, which decides the partition; `null`: no key.
   * @default the result of the topology's `key`, or the table's, for the value; with `asOf` none
   */
  readonly key?: string | null
  /**
   * The record's timestamp, ms since the epoch; the future guard compares the event time with it.
   * @default the event's own time; the driver's clock for a row, or a value that is not an event
   */
  readonly timestampMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** A record that a topology wrote. */
interface RecordView {
  readonly key: string | null
  readonly partition: number
  readonly timestampMs: number
  readonly headers: Readonly<Record<string, string>>
}

/** An output of a topology. */
export interface Output<V> extends RecordView {
  readonly value: V
  /** Its `tidemark-id`. After a crash an output may come twice, with one id. */
  readonly id: string
}

/** A record that was set aside, unchanged, and the reason. */
export interface DeadLetter extends RecordView {
  readonly value: Buffer | null
  readonly code: string
  readonly step: string
  readonly message: string
  /** The record's position in the source. */
  readonly source: { readonly partition: number; readonly offset: number }
}

const NO_KEY = Buffer.alloc(0)

export class InputRecords {
  readonly #source: SourceDefinition
  readonly #tables: readonly TableDefinition[]
  readonly #decode: DecodeRecord

  constructor({ source, tables }: Definition) {
    this.#source = source
    this.#tables = tables
    this.#decode = recordDecoder(source)
  }

  /**
   * @throws TidemarkError `KEY_INVALID`: no key is given, and the topology's `key` finds none in
   * the value
   */
  ofSource(input: Input, nowMs: number): NewRecord {
    const { topic, key: keyOf, eventTimeMs: timeOf } = this.#source
    const from = { topic, partition: UNWRITTEN }
    const record = {
      offset: UNWRITTEN,
      timestampMs: input.timestampMs ?? nowMs,
      key: typeof input.key === 'string' ? Buffer.from(input.key) : NO_KEY,
      value: bytesOf(input.value),
      headers: headersOf(input),
    }
    const givenRecord = new GivenRecord(record, from)
    /** `null`: it is not an event. */
    const event = orNull(() => this.#decode(record, from))
    const keyIn = () => {
      const derivedKey = orNull(() => eventKey((e) => keyOf(e, givenRecord), event ?? input.value))
      if (derivedKey !== null) return derivedKey
      const message =
        'the topology finds no key in this value: give one, as in driver.pipeRecords({ key, value })'
      throw new TidemarkError('KEY_INVALID', message)
    }
    const { key = keyIn() } = input
    const timeMs = () =>
      timeOf === 'record' ? null : orNull(() => eventTimeMs((e) => timeOf(e, givenRecord), event))
    return newRecord(topic, { ...input, key }, input.timestampMs ?? timeMs() ?? nowMs)
  }

  /**
   * @throws TidemarkError `CONFIG_INVALID`: no such table, or its rows are in a file ·
   * `KEY_INVALID`: no key is given, and the table has no `key`
   */
  ofTable(name: string, input: Input, nowMs: number): NewRecord {
    const table = this.#tables.find(({ name: tableName }) => tableName === name)
    const topic = table?.from.topic
    if (table === undefined) {
      const names = this.#tables.map(({ name: tableName }) => tableName)
      const hint = `its tables are: ${names.join(', ')}`
      throw configFault(`the topology has no table "${name}"`, undefined, hint)
    }
    if (topic === undefined) {
      const hint = 'only rows of a topic can be given'
      throw configFault(`the rows of table "${name}" are in a file`, undefined, hint)
    }
    const { key = keyInTable(table, input.value) } = input
    return newRecord(topic, { ...input, key }, input.timestampMs ?? nowMs)
  }
}

function newRecord(
  topic: string,
  input: Input & { readonly key: string | null },
  timestampMs: number,
): NewRecord {
  const key = input.key === null ? null : Buffer.from(input.key)
  const [value, headers] = [bytesOf(input.value), headersOf(input)]
  return { topic, partition: null, key, value, timestampMs, headers }
}

function keyInTable(table: TableDefinition, value: unknown): string | null {
  if (table.key !== null && typeof value === 'object' && value !== null) {
    return recordKeyOf(table, value)?.toString() ?? null
  }
  const hint = "give the record's key: { key, value }"
  throw new TidemarkError('KEY_INVALID', `a row of table "${table.name}" has no key`, { hint })
}

function headersOf({ headers = {} }: Input) {
  return Object.entries(headers).map(([name, text]) => ({ name, value: Buffer.from(text) }))
}

function bytesOf(value: unknown): Buffer | null {
  if (value === null) return null
  if (Buffer.isBuffer(value)) return value
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
}

function orNull<R>(compute: () => R): R | null {
  try {
    return compute()
  } catch (error) {
    orFault(error)
    return null
  }
}

export interface ReadRecord {
  readonly partition: number
  readonly record: LogRecord
}

export function outputOf<V>(read: ReadRecord): Output<V> {
  const view = viewOf(read)
  const value = JSON.parse(String(read.record.value)) as V
  return { ...view, value, id: view.headers[ID_HEADER] ?? '' }
}

export function deadLetterOf(read: ReadRecord): DeadLetter {
  const { value, headers } = read.record
  const { at, code, step, message } = reasonOf(headers)
  const { partition, offset } = at
  return { ...viewOf(read), value, code, step, message, source: { partition, offset } }
}

/** Outputs without repeated ids, as a consumer that deduplicates sees them. */
export function deduplicate<V>(outputs: readonly Output<V>[]): Output<V>[] {
  const first = new Map<string, Output<V>>()
  for (const output of outputs) if (!first.has(output.id)) first.set(output.id, output)
  return [...first.values()]
}

function viewOf({ partition, record }: ReadRecord): RecordView {
  return {
    key: record.key?.toString() ?? null,
    partition,
    timestampMs: record.timestampMs,
    headers: Object.fromEntries(record.headers.map((h) => [h.name, h.value.toString()])),
  }
}
