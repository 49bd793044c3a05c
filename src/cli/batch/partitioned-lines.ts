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
import { jsonOrNull } from '../../kernel/json.ts'
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

interface PartitioningOptions {
  readonly partitions: number
  /** Fields of an export with the partition, or partition and offset, of an event in the log. */
  readonly fields: readonly string[]
  /** Where a line is, for people. */
  readonly describe: (place: number) => string
}

const NO_KEY = Buffer.alloc(0)

export class LinePartitioner {
  readonly #source: SourceDefinition
  readonly #format: Format
  readonly #o: PartitioningOptions
  readonly #key: Read<string> | null
  /** `null`: no field says where events were in the log. */
  readonly #positions: NumberScanner | null
  readonly #by: Partitioner
  readonly #nextOffsets: number[]

  private constructor(source: SourceDefinition, format: Format, options: PartitioningOptions) {
    const { partitioner } = source
    this.#source = source
    this.#format = format
    this.#o = options
    this.#key = takesSecond(source.key) ? null : format.reader(source.key as EventFunction<string>)
    this.#positions = options.fields.length === 0 ? null : new NumberScanner(options.fields)
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
    const [partitions, offsets] = this.#positions?.scan(lines) ?? []
    const own = this.#nextOffsets.map(() => ({
      at: [] as number[],
      offsets: [] as number[],
      places: [] as number[],
    }))
    for (let line = 0; line < lines.starts.length; line++) {
      const place = block.places[line] as number
      const partition = partitions?.[line] ?? this.#partitionOf(lines, line)
      const next = this.#nextOffsets[partition]
      const offset = offsets?.[line] ?? next
      // Not even NaN is behind the last one.
      if (next === undefined || offset === undefined || !(offset >= next)) {
        throw this.#misplaced(place, partition, offset)
      }
      const of = own[partition] as (typeof own)[number]
      of.at.push(line)
      of.offsets.push(offset)
      of.places.push(place)
      this.#nextOffsets[partition] = offset + 1
    }
    return own.flatMap(({ at, offsets: some, places }, partition) =>
      at.length === 0 ? [] : { partition, places, records: new LineRecords(lines, at, some) },
    )
  }

  #misplaced(place: number, partition: number, offset: number | undefined): TidemarkError {
    const { partitions, fields, describe } = this.#o
    const where = describe(place)
    if (Number.isNaN(partition) || Number.isNaN(offset)) {
      return configFault(`the line has no whole number as ${fields.join(' and ')}`, where)
    }
    const next = this.#nextOffsets[partition]
    if (next === undefined) {
      const what = `partition ${partition} is not below ${partitions}`
      return configFault(what, where, 'give their number with --partitions')
    }
    const what = `offset ${offset} of partition ${partition} comes after ${next - 1}`
    return configFault(what, where, 'give the files in the order of the log')
  }

  #keyed(block: InputBlock): KeyedLines {
    const { lines, records, events, eventOf } = decodedLines(block, this.#format, this.#source)
    const { starts: values } = lines
    const keyStarts: number[] = []
    const keyEnds: number[] = []
    const madeKeys = new Map<number, Buffer>()
    const field = this.#key instanceof FieldRead && this.#key.type === 'text' ? this.#key : null
    const columns = events.columns
    for (let line = 0; line < values.length; line++) {
      const [start, value] = [block.starts[line] as number, values[line] as number]
      const event = eventOf[line] as number
      const isOwn = value > start
      const cell = isOwn || event < 0 ? NO_CELL : (field?.cellIn(events, event) ?? NO_CELL)
      keyStarts.push(isOwn ? start : cell === NO_CELL ? -1 : (columns.starts[cell] as number))
      keyEnds.push(isOwn ? value - 1 : cell === NO_CELL ? -1 : (columns.ends[cell] as number))
      if (isOwn || cell !== NO_CELL || event < 0) continue
      madeKeys.set(line, this.#madeKey(events, event, records.at(line)))
    }
    return { ...lines, keyStarts, keyEnds, madeKeys }
  }

  #partitionOf({ memory, keyStarts, keyEnds, madeKeys }: KeyedLines, line: number): number {
    const { partitions } = this.#o
    const start = keyStarts[line] as number
    if (start < 0) return partitionOfKey(madeKeys.get(line) ?? NO_KEY, partitions, this.#by)
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

/** Reads whole numbers in fields that the schema of the events may lack. */
class NumberScanner {
  readonly #names: readonly string[]
  readonly #scanner: Scanner
  readonly #place = new Place()

  constructor(names: readonly string[]) {
    const value = { ...NO_SCALAR, number: { ...ANY_NUMBER, isInteger: true, min: 0 } }
    const fields = names.map((name) => ({ name, isOptional: false, value }))
    const plain: PlainObject = { kind: 'object', isNullable: false, fields }
    const paths = names.map((name) => [name])
    this.#names = names
    this.#scanner = new Scanner(boundOf(plain, paths))
  }

  /** By field and line; NaN: it has none. */
  scan({ memory, starts, ends }: KeyedLines): readonly Float64Array[] {
    const { length } = starts
    const columns = new ScannedColumns(this.#scanner.forms, length)
    const place = this.#place
    place.memory = memory
    for (let line = 0; line < length; line++) {
      place.from = starts[line] as number
      place.to = ends[line] as number
      if (this.#scanner.scan(place, columns, line)) continue
      const numbers = this.#parsed(memory.text(place.from, place.to))
      for (const [i, number] of numbers.entries()) columns.numbers[i * length + line] = number
    }
    return this.#names.map((_, i) => columns.numbers.subarray(i * length, (i + 1) * length))
  }

  /** The numbers of a line that the scanner does not take. */
  #parsed(text: string): number[] {
    const value = jsonOrNull(text)
    return this.#names.map((name) => {
      const number = valueAt(value, name)
      return Number.isSafeInteger(number) && (number as number) >= 0
        ? (number as number)
        : Number.NaN
    })
  }
}
