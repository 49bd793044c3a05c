import { ScannedColumns } from '../../columns/columns.ts'
import type { Read } from '../../columns/events.ts'
import { FieldRead, NO_CELL, type ScannedEvents } from '../../columns/scanned-events.ts'
import type { Format, RawRecord } from '../../formats/format.ts'
import { eventKey } from '../../formats/identity.ts'
import { boundOf } from '../../formats/json/bound.ts'
import { ANY_NUMBER, NO_SCALAR, type PlainObject } from '../../formats/json/plain.ts'
import { Scanner } from '../../formats/json/scanner.ts'
import { openFormat } from '../../formats/open-format.ts'
import { GivenRecord, UNWRITTEN } from '../../formats/record-decoding.ts'
import { Place } from '../../kernel/bytes.ts'
import { configFault, TidemarkError } from '../../kernel/errors.ts'
import { murmur2, type Partitioner, partitionOfKey, placeOf } from '../../kernel/kafka.ts'
import type { InputBlock } from '../../records/files/input-lines.ts'
import {
  type KeyedLines,
  LineRecords,
  type PartitionLines,
} from '../../records/files/line-records.ts'
import type { EventFunction, SourceDefinition } from '../../topology/definition.ts'
import { takesSecond } from '../../topology/function-source.ts'
import { valueAt } from '../arguments.ts'
import { decodedLines, pickedFields } from './decoded-lines.ts'

// The partition, the offset and the key of each line of the input.

/** Fields of an export that say where its events were in the log. */
interface PositionFields {
  readonly partition: string | null
  readonly offset: string | null
}

interface PartitioningOptions {
  readonly partitions: number
  readonly fields: PositionFields
  /** Where a line is, for people. */
  readonly describe: (place: number) => string
}

const NO_KEY = Buffer.alloc(0)

export class LinePartitioner {
  readonly #source: SourceDefinition
  readonly #format: Format
  readonly #o: PartitioningOptions
  readonly #key: Read<string> | null
  readonly #positions: PositionScanner | null
  readonly #by: Partitioner
  readonly #nextOffsets: number[]

  private constructor(source: SourceDefinition, format: Format, options: PartitioningOptions) {
    const { partitioner } = source
    this.#source = source
    this.#format = format
    this.#o = options
    this.#key = takesSecond(source.key) ? null : format.reader(source.key as EventFunction<string>)
    this.#positions = PositionScanner.of(options)
    this.#by = partitioner === 'unknown' || partitioner === null ? 'murmur2' : partitioner
    this.#nextOffsets = new Array<number>(options.partitions).fill(0)
  }

  static async open(source: SourceDefinition, options: PartitioningOptions) {
    // Only the key is looked for: the event itself is decoded in its partition.
    const format = await openFormat(source, { wanted: pickedFields(source.key), registry: null })
    return new LinePartitioner(source, format, options)
  }

  /** @throws TidemarkError `CONFIG_INVALID`: a line does not say where it was, or goes backwards */
  partition(block: InputBlock): PartitionLines[] {
    const lines = this.#keyed(block)
    const { partitions } = this.#o
    const own = Array.from({ length: partitions }, () => ({
      at: [] as number[],
      offsets: [] as number[],
      places: [] as number[],
    }))
    this.#positions?.scan(lines)
    for (let line = 0; line < lines.starts.length; line++) {
      const place = block.places[line] as number
      const partition = this.#positions?.partitionOf(line, place) ?? this.#partitionOf(lines, line)
      const of = own[partition] as (typeof own)[number]
      const offset = this.#offsetOf(line, partition, place)
      of.at.push(line)
      of.offsets.push(offset)
      of.places.push(place)
      this.#nextOffsets[partition] = offset + 1
    }
    return own.flatMap(({ at, offsets, places }, partition) =>
      at.length === 0 ? [] : { partition, places, records: new LineRecords(lines, at, offsets) },
    )
  }

  #offsetOf(line: number, partition: number, place: number): number {
    const next = this.#nextOffsets[partition] as number
    const given = this.#positions?.offsetOf(line, place) ?? next
    if (given >= next) return given
    const what = `offset ${given} of partition ${partition} comes after ${next - 1}`
    const hint = 'give the files in the order of the log'
    throw configFault(what, this.#o.describe(place), hint)
  }

  #keyed(block: InputBlock): KeyedLines {
    const { memory, starts, ends } = block
    const { values, records, events, eventOf } = decodedLines(block, this.#format, this.#source)
    const keyStarts: number[] = []
    const keyEnds: number[] = []
    const madeKeys = new Map<number, Buffer>()
    const field = this.#key instanceof FieldRead && this.#key.type === 'text' ? this.#key : null
    const columns = events.columns
    for (let line = 0; line < starts.length; line++) {
      const [start, value] = [starts[line] as number, values[line] as number]
      const event = eventOf[line] as number
      const cell = value > start || event < 0 ? NO_CELL : (field?.cellIn(events, event) ?? NO_CELL)
      const isOwn = value > start
      keyStarts.push(isOwn ? start : cell === NO_CELL ? -1 : (columns.starts[cell] as number))
      keyEnds.push(isOwn ? value - 1 : cell === NO_CELL ? -1 : (columns.ends[cell] as number))
      if (isOwn || cell !== NO_CELL) continue
      madeKeys.set(line, event < 0 ? NO_KEY : this.#madeKey(events, event, records.at(line)))
    }
    return { memory, starts: values, ends, keyStarts, keyEnds, madeKeys }
  }

  #partitionOf(lines: KeyedLines, line: number): number {
    const { memory, keyStarts, keyEnds, madeKeys } = lines
    const { partitions } = this.#o
    const start = keyStarts[line] as number
    const key = madeKeys.get(line)
    if (key !== undefined) return partitionOfKey(key, partitions, this.#by)
    const end = keyEnds[line] as number
    if (this.#by === 'murmur2') return placeOf(murmur2(memory.bytes, start, end), partitions)
    return partitionOfKey(memory.buffer.subarray(start, end), partitions, this.#by)
  }

  /** An empty key if it is invalid: the event becomes a dead letter. */
  #madeKey(events: ScannedEvents, event: number, record: RawRecord): Buffer {
    const key = this.#key
    const from = { topic: this.#source.topic, partition: UNWRITTEN }
    try {
      const read =
        key === null
          ? eventKey((of) => this.#source.key(of, new GivenRecord(record, from)), events.at(event))
          : eventKey((of: ScannedEvents) => key.of(of, event), events)
      return Buffer.from(read)
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError)) throw thrown
      return NO_KEY
    }
  }
}

/** Reads where events were in the log. */
class PositionScanner {
  readonly #o: PartitioningOptions
  readonly #names: readonly string[]
  readonly #scanner: Scanner
  readonly #place = new Place()
  #columns: ScannedColumns

  /** `null`: no field says it. */
  static of(options: PartitioningOptions): PositionScanner | null {
    const names = [options.fields.partition, options.fields.offset].filter((of) => of !== null)
    return names.length === 0 ? null : new PositionScanner(options, names)
  }

  private constructor(options: PartitioningOptions, names: readonly string[]) {
    const value = { ...NO_SCALAR, number: { ...ANY_NUMBER, isInteger: true, min: 0 } }
    const fields = names.map((name) => ({ name, isOptional: false, value }))
    const plain: PlainObject = { kind: 'object', isNullable: false, fields }
    this.#o = options
    this.#names = names
    this.#scanner = new Scanner(
      boundOf(
        plain,
        names.map((name) => [name]),
      ),
    )
    this.#columns = new ScannedColumns(this.#scanner.forms, 0)
  }

  scan({ memory, starts, ends }: KeyedLines): void {
    if (this.#columns.capacity < starts.length) {
      this.#columns = new ScannedColumns(this.#scanner.forms, starts.length)
    }
    const place = this.#place
    place.memory = memory
    for (let line = 0; line < starts.length; line++) {
      place.from = starts[line] as number
      place.to = ends[line] as number
      if (!this.#scanner.scan(place, this.#columns, line)) this.#parse(place, line)
    }
  }

  /** Reads what the scanner does not take. */
  #parse({ memory, from, to }: Place, line: number): void {
    const { numbers, capacity } = this.#columns
    let value: unknown = null
    try {
      value = JSON.parse(memory.text(from, to))
    } catch {}
    for (const [column, name] of this.#names.entries()) {
      const number = valueAt(value, name)
      const isNumber = Number.isSafeInteger(number) && (number as number) >= 0
      numbers[column * capacity + line] = isNumber ? (number as number) : Number.NaN
    }
  }

  /** `null`: no field says it. */
  partitionOf(line: number, place: number): number | null {
    const { fields, partitions } = this.#o
    if (fields.partition === null) return null
    const partition = this.#numberOf(0, line, place)
    if (partition < partitions) return partition
    const what = `partition ${partition} is not below ${partitions}`
    throw configFault(what, this.#o.describe(place), 'give their number with --partitions')
  }

  offsetOf(line: number, place: number): number | null {
    const { fields } = this.#o
    return fields.offset === null ? null : this.#numberOf(this.#names.length - 1, line, place)
  }

  #numberOf(column: number, line: number, place: number): number {
    const { numbers, capacity } = this.#columns
    const number = numbers[column * capacity + line] as number
    if (!Number.isNaN(number)) return number
    const what = `the line has no whole number as ${this.#names.join(' and ')}`
    throw configFault(what, this.#o.describe(place))
  }
}
