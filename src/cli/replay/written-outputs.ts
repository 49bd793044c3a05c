import { hash } from 'node:crypto'
import { ByteRoom } from '../../kernel/bytes.ts'
import { parseOutputId } from '../../kernel/ids.ts'
import type { Header, LogRecord, RecordParts, TopicPartition } from '../../records/port.ts'
import { appendParts } from '../../records/record-format.ts'
import { reasonOf } from '../../runtime/output/dead-letter.ts'
import {
  BY_CLOCK_HEADER,
  BY_HEADER,
  ID_HEADER,
  LATE_HEADER,
  MODEL_HEADER,
  SCORED_AT_HEADER,
  TABLES_HEADER,
  WARMING_HEADER,
} from '../../runtime/output/provenance.ts'
import type { Definition } from '../../topology/definition.ts'
import { sinkStepsOf } from '../../topology/graph.ts'

// What a run has written, to be compared with what a replay makes: of each output or dead letter a
// hash, its place and its marks, about 100 bytes.

/** What an output or a dead letter was made of. */
export interface Origin {
  /** The sink; `null`: it is a dead letter. */
  readonly sink: string | null
  /** Of the source. */
  readonly partition: number
  /** The offset of the record, or key and start of the window. */
  readonly of: number | string
}

/** What the headers of an output say about how it was made. */
export interface Marks {
  readonly by: string
  readonly model: string
  readonly tables: string
  readonly isByClock: boolean
  readonly isLate: boolean
  readonly isWarming: boolean
  /** Of a dead letter. */
  readonly code: string
}

/** The offsets of a partition of the source that are worked again. */
export interface ReplayRange {
  readonly partition: number
  readonly from: number
  readonly to: number
  readonly lowOffset: number
}

export interface WrittenPlace extends TopicPartition {
  readonly offset: number
}

/** Reads origins from the headers of records. */
export class Origins {
  readonly topics: readonly string[]
  readonly #definition: Definition
  readonly #sinks: ReadonlyMap<string, string>

  /** @param sinks those that are compared */
  constructor(definition: Definition, sinks: readonly string[]) {
    const steps = sinkStepsOf(definition.then).filter(({ name }) => sinks.includes(name))
    this.#definition = definition
    this.#sinks = new Map(steps.map(({ name, topic }) => [name, topic]))
    this.topics = [...new Set([...this.#sinks.values(), definition.deadLetterTopic])]
  }

  /** `null`: another topology wrote it, or it is not compared. */
  of(topic: string, headers: readonly Header[]): Origin | null {
    const { name, source, deadLetterTopic } = this.#definition
    const id = parseOutputId(textOf(headers, ID_HEADER))
    if (id !== null && this.#sinks.get(id.sink) === topic) {
      return id.topic === source.topic ? { ...id } : null
    }
    if (topic !== deadLetterTopic) return null
    const { at } = reasonOf(headers)
    if (at.topology !== name || at.topic !== source.topic) return null
    return { sink: null, partition: at.partition, of: at.offset }
  }
}

/** A position of the tables, from an offset of a partition on. */
export interface TablesFrom {
  readonly from: number
  /** The header `tidemark-tables`. */
  readonly tables: string
}

export class WrittenOutputs {
  readonly #ranges: ReadonlyMap<number, ReplayRange>
  /** By sink and partition of the source, by {@link Origin.of}: the number of the output. */
  readonly #numbers = new Map<string, { origin: Origin; of: Map<number | string, number> }>()
  /** By number; NaN: a replay has made it. */
  readonly #digests: number[] = []
  readonly #topics: number[] = []
  readonly #partitions: number[] = []
  readonly #offsets: number[] = []
  readonly #marks: number[] = []
  readonly #names = new Interned<string>()
  readonly #allMarks = new Interned<Marks>()

  constructor(ranges: readonly ReplayRange[]) {
    this.#ranges = new Map(ranges.map((range) => [range.partition, range]))
  }

  get length(): number {
    return this.#digests.length
  }

  isInRange({ partition, of }: Origin): boolean {
    const range = this.#ranges.get(partition)
    if (range === undefined) return false
    return typeof of === 'string' || (range.from <= of && of < range.to)
  }

  /** @returns its number; `null`: there is one of this origin already */
  add(origin: Origin, record: LogRecord, { topic, partition }: TopicPartition): number | null {
    const numbers = this.#numbersOf(origin)
    const digest = digestOf(record)
    let { of } = origin
    for (let known = numbers.get(of); known !== undefined; known = numbers.get(of)) {
      if (origin.sink !== null || this.#digests[known] === digest) return null
      of = next(of)
    }
    const number = this.length
    numbers.set(of, number)
    this.#digests.push(digest)
    this.#topics.push(this.#names.numberOf(topic, topic))
    this.#partitions.push(partition)
    this.#offsets.push(record.offset)
    const marks = marksOf(record.headers)
    this.#marks.push(this.#allMarks.numberOf(JSON.stringify(marks), marks))
    return number
  }

  /** The number of what is written of an origin; `null`: nothing, or a replay has made it. */
  find({ of: first, ...origin }: Origin): number | null {
    const numbers = this.#numbersOf({ of: first, ...origin })
    let of = first
    for (let known = numbers.get(of); known !== undefined; known = numbers.get(of)) {
      if (!this.#isMade(known)) return known
      if (origin.sink !== null) return null
      of = next(of)
    }
    return null
  }

  /** @returns whether it is equal to what a replay has made */
  make(number: number, record: RecordParts): boolean {
    const isEqual = this.#digests[number] === digestOf(record)
    this.#digests[number] = Number.NaN
    return isEqual
  }

  marks(number: number): Marks {
    return this.#allMarks.at(this.#marks[number] as number)
  }

  place(number: number): WrittenPlace {
    return {
      topic: this.#names.at(this.#topics[number] as number),
      partition: this.#partitions[number] as number,
      offset: this.#offsets[number] as number,
    }
  }

  /** Yields what no replay has made. */
  *unmade(): Generator<{ readonly origin: Origin; readonly number: number }> {
    for (const { origin, of: numbers } of this.#numbers.values()) {
      for (const [of, number] of numbers) {
        if (!this.#isMade(number)) yield { origin: { ...origin, of }, number }
      }
    }
  }

  /** What the outputs of a partition say of the positions of tables, in order. */
  tablesOf(partition: number): TablesFrom[] {
    const outputs: [offset: number, marks: number][] = []
    for (const { origin, of: numbers } of this.#numbers.values()) {
      if (origin.partition !== partition || origin.sink === null) continue
      for (const [of, number] of numbers) {
        if (typeof of === 'number') outputs.push([of, this.#marks[number] as number])
      }
    }
    const runs: TablesFrom[] = []
    for (const [from, marks] of outputs.sort(([a], [b]) => a - b)) {
      const { tables } = this.#allMarks.at(marks)
      if (runs.at(-1)?.tables !== tables) runs.push({ from, tables })
    }
    return runs
  }

  #isMade(number: number): boolean {
    return Number.isNaN(this.#digests[number])
  }

  #numbersOf(origin: Origin): Map<number | string, number> {
    const name = `${origin.partition}/${origin.sink ?? ''}`
    const known = this.#numbers.get(name) ?? { origin, of: new Map<number | string, number>() }
    this.#numbers.set(name, known)
    return known.of
  }
}

/** A record that closes windows may have several dead letters, in the same order each time. */
function next(of: number | string): string {
  const [offset, nth = '1'] = String(of).split('#')
  return `${offset}#${Number(nth) + 1}`
}

class Interned<T> {
  readonly #numbers = new Map<string, number>()
  readonly #values: T[] = []

  numberOf(name: string, value: T): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    this.#numbers.set(name, this.#values.length)
    return this.#values.push(value) - 1
  }

  at(number: number): T {
    return this.#values[number] as T
  }
}

export function marksOf(headers: readonly Header[]): Marks {
  return {
    by: textOf(headers, BY_HEADER),
    model: textOf(headers, MODEL_HEADER),
    tables: textOf(headers, TABLES_HEADER),
    isByClock: textOf(headers, BY_CLOCK_HEADER.name) !== '',
    isLate: textOf(headers, LATE_HEADER.name) !== '',
    isWarming: textOf(headers, WARMING_HEADER) !== '',
    code: reasonOf(headers).code,
  }
}

function textOf(headers: readonly Header[], name: string): string {
  return String(headers.find((header) => header.name === name)?.value ?? '')
}

const room = new ByteRoom()
const DIGEST_BYTES = 6

/** Of key, value and headers: 48 bits of their SHA-256. */
function digestOf(record: RecordParts): number {
  room.clear()
  appendParts({ ...partsOf(record) }, room)
  const bytes = hash('sha256', room.bytes.subarray(0, room.used), 'buffer')
  return bytes.readUIntBE(0, DIGEST_BYTES)
}

/** The parts that are compared. */
export function partsOf({ key, value, headers }: RecordParts) {
  const compared = headers.filter(({ name }) => name !== SCORED_AT_HEADER)
  return { key, value, timestampMs: 0, headers: compared }
}
