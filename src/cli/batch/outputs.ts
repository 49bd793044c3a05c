import { type FieldKinds, Shape } from '../../formats/json/shape.ts'
import { configFault } from '../../kernel/errors.ts'
import { OutputReader } from '../../records/files/output-lines.ts'
import { type OpenPart, type PartFiles, partName } from '../../records/files/part-files.ts'
import type { Commit, NewRecord } from '../../records/port.ts'
import { WrittenRecords } from '../../records/written-records.ts'
import { reasonOf } from '../../runtime/output/dead-letter.ts'
import { valueAt } from '../arguments.ts'
import { bytesAsJson } from '../print.ts'

// Outputs and dead letters of a commit, as lines in the parts of their folders.

/** The most folders of `--partition-by`. */
const MOST_FOLDERS = 1_000
/** The word of Hive for no value. */
const NONE = '__HIVE_DEFAULT_PARTITION__'
const DAY = ':day'

/** A line that is written as it is. */
export interface OutputLine {
  readonly partition: number
  readonly [field: string]: unknown
}

interface OutputsOptions {
  readonly parts: PartFiles
  readonly kinds: Readonly<Record<string, FieldKinds>>
  readonly deadLetterTopic: string
  /** A field of the outputs, `paidAt:day` for the day of a time. */
  readonly partitionBy: string | null
  /** Fields that say where a record of the source was in the input. */
  readonly sourceOf: (partition: number, offset: number) => object
  /** Makes a line of a training row; `null`: outputs are written. */
  readonly rowOf: ((record: NewRecord) => OutputLine) | null
}

/** The columns, headers and parts of the outputs of one topic. */
class Folder {
  readonly shape: Shape
  readonly reader = new OutputReader()
  /** By partition, if folders have no values. */
  readonly parts: OpenPart[] = []

  constructor(kinds?: FieldKinds) {
    this.shape = new Shape(kinds)
  }
}

export class BatchOutputs {
  readonly #o: OutputsOptions
  /** By topic. */
  readonly #folders = new Map<string, Folder>()
  readonly #values = new Set<string>()

  constructor(options: OutputsOptions) {
    this.#o = options
    for (const [topic, kinds] of Object.entries(options.kinds)) {
      this.#folders.set(topic, new Folder(kinds))
    }
  }

  /** By folder, its columns. */
  get kinds(): Readonly<Record<string, FieldKinds>> {
    return Object.fromEntries(
      [...this.#folders].map(([topic, { shape, reader }]) => {
        for (const name of reader.names) shape.widen({ [name]: '' })
        return [topic, shape.fields]
      }),
    )
  }

  add({ outputs, deadLetters }: Pick<Commit, 'outputs' | 'deadLetters'>): void {
    const { deadLetterTopic, rowOf } = this.#o
    if (rowOf === null) this.#addOutputs(WrittenRecords.of(outputs))
    else for (const record of outputs) this.#addLine(record.topic, rowOf(record))
    for (const record of deadLetters) {
      if (record.topic === deadLetterTopic) this.#addLine(record.topic, this.#letterOf(record))
    }
  }

  #addOutputs(records: WrittenRecords): void {
    for (let index = 0; index < records.length; index++) {
      const topic = records.topic(index)
      const { reader, shape } = this.#folder(topic)
      reader.read(records, index)
      const { memory, from, to } = reader.value
      shape.add(reader.value)
      const value = () => JSON.parse(memory.text(from, to)) as unknown
      const part = this.#partOf(topic, reader.partition, value)
      reader.append(part.room)
      part.rows++
    }
  }

  #addLine(topic: string, line: OutputLine): void {
    this.#folder(topic).shape.widen(line)
    const part = this.#partOf(topic, line.partition, () => line)
    part.room.text(`${JSON.stringify(line)}\n`)
    part.rows++
  }

  #folder(topic: string): Folder {
    const folder = this.#folders.get(topic) ?? new Folder()
    this.#folders.set(topic, folder)
    return folder
  }

  #letterOf({ key, value, headers }: NewRecord): OutputLine {
    const { at, code, step, message } = reasonOf(headers)
    const { partition, offset } = at
    const place = { ...this.#o.sourceOf(partition, offset), partition, offset }
    return { ...place, code, step, message, key: bytesAsJson(key), value: bytesAsJson(value) }
  }

  #partOf(topic: string, partition: number, value: () => unknown): OpenPart {
    const { partitionBy, parts, deadLetterTopic } = this.#o
    if (partitionBy !== null && topic !== deadLetterTopic) {
      return parts.part(partName(`${topic}/${this.#valueOf(partitionBy, value())}`, partition))
    }
    const { parts: known } = this.#folder(topic)
    known[partition] ??= parts.part(partName(topic, partition))
    return known[partition]
  }

  /** `country=DE`, as Hive names folders. */
  #valueOf(by: string, value: unknown): string {
    const field = by.endsWith(DAY) ? by.slice(0, -DAY.length) : by
    const found = valueAt(value, field) ?? null
    const text = by.endsWith(DAY) ? dayOf(found) : textOf(found)
    const name = `${field}=${encodeURIComponent(text)}`
    this.#values.add(name)
    if (this.#values.size <= MOST_FOLDERS) return name
    const what = `"${field}" has more than ${MOST_FOLDERS} values`
    throw configFault(what, '--partition-by', 'choose a field with fewer, or the day of a time')
  }
}

function textOf(value: unknown): string {
  if (value === null || value === '') return NONE
  // Through UTF-8, because half a surrogate pair cannot be in a name.
  return typeof value === 'string' ? Buffer.from(value).toString() : JSON.stringify(value)
}

/** A time in ms, or as text, as `2026-01-05` in UTC. */
function dayOf(time: unknown): string {
  const date = new Date((time ?? Number.NaN) as string | number)
  return Number.isNaN(date.getTime()) ? NONE : date.toISOString().slice(0, 10)
}
