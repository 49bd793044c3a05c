import { ScannedColumns } from '../../columns/columns.ts'
import type { Read } from '../../columns/events.ts'
import { FieldRead, NO_CELL, type ScannedEvents } from '../../columns/scanned-events.ts'
import type { InputFile } from '../../connect/files/input-files.ts'
import { fileRow, type InputBlock } from '../../connect/files/input-lines.ts'
import { valueStart } from '../../connect/files/lines.ts'
import {
  BARE,
  type LineRecords,
  type PartitionLines,
  PartitionLinesWriter,
} from '../../connect/files/partition-lines.ts'
import type { LogRecords } from '../../connect/port.ts'
import type { Format, RawRecord } from '../../formats/format.ts'
import { eventKey } from '../../formats/identity.ts'
import { boundOf } from '../../formats/json/bound.ts'
import { ANY_NUMBER, NO_SCALAR, type PlainObject } from '../../formats/json/plain.ts'
import { Scanner } from '../../formats/json/scanner.ts'
import { openFormat } from '../../formats/open-format.ts'
import { GivenRecord, UNWRITTEN } from '../../formats/record-decoding.ts'
import { Place, TextScratch } from '../../kernel/bytes.ts'
import { configFault, TidemarkError } from '../../kernel/errors.ts'
import { jsonOrNull, valueAt } from '../../kernel/json.ts'
import { murmur2, partitionOfKey, placeOf } from '../../kernel/kafka.ts'
import type { EventFunction, SourceDefinition } from '../../topology/definition.ts'
import { takesSecond } from '../../topology/function-source.ts'
import { type DecodedLines, decodedLines, pickedFields } from './decoded-lines.ts'

// The partition, the offset and the key of each line of the input.

interface PartitioningOptions {
  readonly partitions: number
  /** Fields of an export with the partition, or partition and offset, of an event in the log. */
  readonly fields: readonly string[]
  readonly files: readonly InputFile[]
  /** Returns what the records of the next block have. @default as in files */
  readonly shared?: () => LineRecords
}

export class LinePartitioner {
  /** Lines that were partitioned. */
  records = 0
  readonly #source: SourceDefinition
  readonly #format: Format
  readonly #o: PartitioningOptions
  readonly #key: Read<string> | null
  /** `null`: no field says where events were in the log. */
  readonly #positions: NumberScanner | null
  readonly #nextOffsets: number[]
  /** By partition. */
  readonly #writers: readonly PartitionLinesWriter[]
  /** The field that is the key; `null`: it is made. */
  readonly #field: FieldRead<string> | null
  readonly #made = new TextScratch()
  readonly #line = { key: new Place(), value: new Place() }

  private constructor(source: SourceDefinition, format: Format, options: PartitioningOptions) {
    this.#source = source
    this.#format = format
    this.#o = options
    this.#key = takesSecond(source.key) ? null : format.reader(source.key as EventFunction<string>)
    this.#positions = options.fields.length === 0 ? null : new NumberScanner(options.fields)
    this.#nextOffsets = new Array<number>(options.partitions).fill(0)
    const { headers } = options.shared?.() ?? BARE
    this.#writers = this.#nextOffsets.map(
      (_, partition) => new PartitionLinesWriter(partition, headers),
    )
    this.#field = this.#key instanceof FieldRead && this.#key.type === 'text' ? this.#key : null
  }

  static async open(source: SourceDefinition, options: PartitioningOptions) {
    // Only the key is looked for: the event itself is decoded in its partition.
    const format = await openFormat(source, { wanted: pickedFields(source.key), registry: null })
    return new LinePartitioner(source, format, options)
  }

  /** @throws TidemarkError `CONFIG_INVALID`: a line does not say where it was, or goes backwards */
  async *partitioned(blocks: AsyncIterable<InputBlock>): AsyncGenerator<readonly PartitionLines[]> {
    for await (const block of blocks) yield this.#partitioned(block)
  }

  #partitioned(block: InputBlock): readonly PartitionLines[] {
    const shared = this.#o.shared?.() ?? BARE
    const decoded = decodedLines(block, this.#format, { topic: this.#source.topic, shared })
    const { records } = decoded
    const [partitions, offsets] = this.#positions?.scan(records) ?? []
    const scratch = this.#line
    const writers = new Set<PartitionLinesWriter>()
    for (let line = 0; line < records.length; line++) {
      const place = block.places[line] as number
      records.locate(line, scratch.value)
      this.#locateKey(line, block, decoded)
      const partition = partitions?.[line] ?? this.#partitionOf(scratch.key)
      const next = this.#nextOffsets[partition]
      const offset = offsets?.[line] ?? next
      // Not even NaN is behind the last one.
      if (next === undefined || offset === undefined || !(offset >= next)) {
        throw this.#misplaced(place, partition, offset)
      }
      const writer = this.#writers[partition] as PartitionLinesWriter
      writer.add(scratch, offset, place)
      writers.add(writer)
      this.#nextOffsets[partition] = offset + 1
    }
    this.records += records.length
    return [...writers].map((writer) => writer.take(shared.timestampMs))
  }

  #misplaced(place: number, partition: number, offset: number | undefined): TidemarkError {
    const { partitions, fields, files } = this.#o
    const { file, row } = fileRow(files, place)
    const where = `${file}:${row}`
    if (Number.isNaN(partition) || Number.isNaN(offset)) {
      return configFault(`the line has no whole number as ${fields.join(' and ')}`, where)
    }
    const next = this.#nextOffsets[partition]
    if (next === undefined) {
      const reason = `partition ${partition} is not below ${partitions}`
      return configFault(reason, where, 'give their number with --partitions')
    }
    const message = `offset ${offset} of partition ${partition} comes after ${next - 1}`
    return configFault(message, where, 'give the files in the order of the log')
  }

  /** Locates the key; empty if it is invalid: the event becomes a dead letter. */
  #locateKey(line: number, block: InputBlock, { records, events, eventOf }: DecodedLines): void {
    const { key } = this.#line
    const start = block.starts[line] as number
    const from = valueStart(block.memory.bytes, start, block.ends[line] as number)
    const event = eventOf[line] as number
    key.memory = block.memory
    key.from = start
    // Before a value there is a tab.
    key.to = Math.max(start, from - 1)
    if (from > start || event < 0) return
    const cell = this.#field?.cellIn(events, event) ?? NO_CELL
    if (cell === NO_CELL) {
      key.from = 0
      key.to = this.#made.write(this.#madeKey(events, event, records.at(line)))
      key.memory = this.#made.memory
    } else {
      key.from = events.columns.starts[cell] as number
      key.to = events.columns.ends[cell] as number
    }
  }

  #partitionOf({ memory, from, to }: Place): number {
    const { partitions } = this.#o
    const isCrc32 = this.#source.partitioner === 'crc32'
    if (isCrc32) return partitionOfKey(memory.buffer.subarray(from, to), partitions, 'crc32')
    return placeOf(murmur2(memory.bytes, from, to), partitions)
  }

  #madeKey(events: ScannedEvents, event: number, record: RawRecord): string {
    const key = this.#key
    const from = { topic: this.#source.topic, partition: UNWRITTEN }
    try {
      return key === null
        ? eventKey((row) => this.#source.key(row, new GivenRecord(record, from)), events.at(event))
        : eventKey((scan: ScannedEvents) => key.of(scan, event), events)
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError)) throw thrown
      return ''
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
  scan(records: LogRecords): readonly Float64Array[] {
    const { length } = records
    const columns = new ScannedColumns(this.#scanner.forms, length)
    const place = this.#place
    for (let line = 0; line < length; line++) {
      records.locate(line, place)
      if (this.#scanner.scan(place, columns, line)) continue
      const numbers = this.#parsed(place.memory.text(place.from, place.to))
      for (const [i, number] of numbers.entries()) columns.numbers[i * length + line] = number
    }
    return this.#names.map((_, i) => columns.numbers.subarray(i * length, (i + 1) * length))
  }

  /** The numbers of a line that the scanner does not take. */
  #parsed(text: string): number[] {
    const value = jsonOrNull(text)
    return this.#names.map((name) => {
      const number = valueAt(value, name)
      const isWhole = Number.isSafeInteger(number) && (number as number) >= 0
      return isWhole ? (number as number) : Number.NaN
    })
  }
}
