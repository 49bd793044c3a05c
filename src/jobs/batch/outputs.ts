import { type OutputLine, OutputReader } from '../../connect/files/output-lines.ts'
import { type OpenPart, type PartFiles, partName } from '../../connect/files/part-files.ts'
import type { Commit, NewRecord } from '../../connect/port.ts'
import { WrittenRecords } from '../../connect/written-records.ts'
import { type FieldKinds, Shape } from '../../formats/json/shape.ts'
import { configFault, TidemarkError } from '../../kernel/errors.ts'
import { bytesAsJson, valueAt } from '../../kernel/json.ts'
import { reasonOf } from '../../runtime/output/dead-letter.ts'
import type { Saved } from './job.ts'

// Outputs and dead letters of a commit, as lines in the parts of their folders.

/** The most folders of `--partition-by`. */
const MOST_FOLDERS = 1_000
const ONE_FOLDER = 'has values that differ only in case, and would be in one folder here'
const TOO_MANY = `has more than ${MOST_FOLDERS} values`
/** The most bytes of a name in a file system. */
const MOST_NAME_BYTES = 255
/** The word of Hive for no value. */
const NONE = '__HIVE_DEFAULT_PARTITION__'
const DAY = ':day'
/** The characters that Hive escapes in names, and NUL. */
const ESCAPED = /["#%'*/:=?\\{[\]^\p{Cc}]/gu

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
type Folder = ReturnType<typeof newFolder>

function newFolder(kinds?: FieldKinds) {
  /** By partition, if folders have no values. */
  const parts: OpenPart[] = []
  return { shape: new Shape(kinds), reader: new OutputReader(), parts }
}

export class BatchOutputs {
  readonly #o: OutputsOptions
  /** By topic. */
  readonly #folders = new Map<string, Folder>()
  readonly #values = new Set<string>()

  constructor(options: OutputsOptions) {
    this.#o = options
    for (const [topic, kinds] of Object.entries(options.kinds)) {
      this.#folders.set(topic, newFolder(kinds))
    }
  }

  /** By folder, its columns. */
  get kinds(): Readonly<Record<string, FieldKinds>> {
    const kinds = [...this.#folders].map(([topic, { shape, reader }]) => {
      for (const name of reader.names) shape.widen({ [name]: '' })
      return [topic, shape.fields]
    })
    return Object.fromEntries(kinds)
  }

  /** @throws TidemarkError `OUTPUT_INVALID`: no folder can have its name */
  readonly check = (output: NewRecord): void => {
    const { partitionBy, rowOf } = this.#o
    folderName(partitionBy ?? '', rowOf?.(output) ?? JSON.parse(String(output.value)))
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
    if (line['labelState'] === 'labelled') part.labelled++
  }

  #folder(topic: string): Folder {
    const folder = this.#folders.get(topic) ?? newFolder()
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
      const name = folderName(partitionBy, value())
      if (this.#values.add(name).size > MOST_FOLDERS) throw folderFault(partitionBy, TOO_MANY)
      return parts.part(partName(`${topic}/${name}`, partition))
    }
    const { parts: topicParts } = this.#folder(topic)
    topicParts[partition] ??= parts.part(partName(topic, partition))
    return topicParts[partition]
  }
}

/** The field of `paidAt` or `paidAt:day`. */
function fieldOf(by: string): string {
  return by.endsWith(DAY) ? by.slice(0, -DAY.length) : by
}

/** `country=DE`, as Hive names folders. @throws TidemarkError `OUTPUT_INVALID`: it is too long */
function folderName(by: string, value: unknown): string {
  const field = fieldOf(by)
  const fieldValue = valueAt(value, field) ?? null
  const pair = [field, by.endsWith(DAY) ? dayOf(fieldValue) : textOf(fieldValue)]
  const name = pair.map((text) => text.replace(ESCAPED, escaped)).join('=')
  if (Buffer.byteLength(name) <= MOST_NAME_BYTES) return name
  const message = `"${field}" is too long for a folder, whose name has at most ${MOST_NAME_BYTES} bytes`
  throw new TidemarkError('OUTPUT_INVALID', message)
}

function escaped(character: string): string {
  return `%${Buffer.from(character, 'latin1').toString('hex').toUpperCase()}`
}

/**
 * Checks the folders that all workers have made.
 * @param isCaseBlind whether names that differ only in case are one folder
 * @throws TidemarkError `CONFIG_INVALID`: there are too many, or no output has the field
 */
export function checkFolders(by: string, saved: Saved, isCaseBlind: boolean): void {
  // Dead letters are in a folder without a value.
  const parts = Object.keys(saved.sizes).filter((part) => part.includes('='))
  const names = [...new Set(parts.map((part) => part.split('/')[1] as string))]
  if (names.length > MOST_FOLDERS) throw folderFault(by, TOO_MANY)
  const tables = parts.map((part) => saved.kinds[part.split('/')[0] as string] ?? {})
  const hasField = tables.some((kinds) => Object.hasOwn(kinds, fieldOf(by)))
  const hasValue = parts.length === 0 || !names.every((name) => name.endsWith(NONE))
  if (!hasField && !hasValue) throw folderFault(by, 'is in no output')
  const folded = new Set(names.map((name) => name.normalize().toLowerCase()))
  if (isCaseBlind && folded.size < names.length) throw folderFault(by, ONE_FOLDER)
}

function folderFault(by: string, message: string): TidemarkError {
  return configFault(`"${fieldOf(by)}" ${message}`, '--partition-by', 'choose another field')
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
