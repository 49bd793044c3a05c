import { hash } from 'node:crypto'
import { ByteRoom } from '../../kernel/bytes.ts'
import { type OutputCause, parseOutputId, position } from '../../kernel/ids.ts'
import type { Header, LogRecord, RecordParts, TopicPartition } from '../../records/port.ts'
import { appendParts } from '../../records/record-format.ts'
import { CODE_HEADER, reasonOf } from '../../runtime/output/dead-letter.ts'
import * as provenance from '../../runtime/output/provenance.ts'
import type { Definition, SinkStep } from '../../topology/definition.ts'

const { BY_CLOCK_HEADER, BY_HEADER, ID_HEADER, LATE_HEADER, MODEL_HEADER } = provenance
const { SCORED_AT_HEADER, TABLES_HEADER, WARMING_HEADER } = provenance

/** The offsets of a partition of the source that are worked again. */
export interface ReplayRange {
  readonly partition: number
  readonly from: number
  readonly to: number
  readonly lowOffset: number
}

/** A position of the tables, from an offset of a partition on. */
export interface TablesFrom {
  readonly from: number
  /** The header `tidemark-tables`. */
  readonly tables: string
}

/** By name, the headers that say how an output was made. */
export type Marks = Readonly<Record<string, string>>

/** An output or a dead letter that is written; about 250 bytes. */
export interface Written extends TopicPartition {
  readonly cause: OutputCause
  readonly offset: number
  /** Of key, value and headers. */
  readonly digest: number
  readonly marks: Marks
  /** Has the replay made it, too? */
  isMade: boolean
}

/** What a run has written, by what it was made of. */
export class WrittenOutputs {
  readonly definition: Definition
  readonly ranges: readonly ReplayRange[]
  readonly topics: readonly string[]
  readonly #sinks: ReadonlyMap<string, string>
  readonly #all = new Map<string, Written>()
  /** Each distinct one once. */
  readonly #marks = new Map<string, Marks>()

  /** @param sinks those that are compared */
  constructor(definition: Definition, sinks: readonly SinkStep[], ranges: readonly ReplayRange[]) {
    this.definition = definition
    this.#sinks = new Map(sinks.map(({ name, topic }) => [name, topic]))
    this.ranges = ranges
    this.topics = [...new Set([...this.#sinks.values(), definition.deadLetterTopic])]
  }

  get all(): Iterable<Written> {
    return this.#all.values()
  }

  /** @returns `isNew`: no other has its id; `null`: it is not of the range */
  add(record: LogRecord, { topic, partition }: TopicPartition) {
    const cause = this.causeOf(topic, record.headers)
    const range = this.ranges.find((one) => one.partition === cause?.partition)
    if (cause === null || range === undefined) return null
    const { of } = cause
    if (typeof of === 'number' && (of < range.from || range.to <= of)) return null
    const marks = this.#shared(marksOf(record))
    const place = { topic, partition, offset: record.offset }
    const written = { ...place, cause, digest: digestOf(record), marks, isMade: false }
    const id = this.#freeId(
      cause,
      (other) => isDeadLetter(cause) && other.digest !== written.digest,
    )
    const isNew = !this.#all.has(id)
    if (isNew) this.#all.set(id, written)
    return { written, isNew }
  }

  /** @returns `undefined`: nothing that the replay has not made already */
  find(cause: OutputCause): Written | undefined {
    return this.#all.get(this.#freeId(cause, ({ isMade }) => isDeadLetter(cause) && isMade))
  }

  /** `null`: another topology wrote it, or it is not compared. */
  causeOf(topic: string, headers: readonly Header[]): OutputCause | null {
    const { name, source, deadLetterTopic } = this.definition
    const id = headers.find((header) => header.name === ID_HEADER)
    const cause = id === undefined ? null : parseOutputId(String(id.value))
    if (cause !== null && this.#sinks.get(cause.sink) === topic) {
      return cause.topic === source.topic ? cause : null
    }
    if (topic !== deadLetterTopic) return null
    const { at } = reasonOf(headers)
    const isOwn = at.topology === name && at.topic === source.topic
    return isOwn ? deadLetterOf({ ...at, of: at.offset }) : null
  }

  /** What the outputs of a partition say of the positions of tables, in order. */
  tablesOf(partition: number): TablesFrom[] {
    const all = [...this.#all.values()].flatMap(({ cause, marks }): TablesFrom[] => {
      if (cause.partition !== partition || typeof cause.of === 'string') return []
      return isDeadLetter(cause) ? [] : [{ from: cause.of, tables: marks[TABLES_HEADER] ?? '' }]
    })
    all.sort((a, b) => a.from - b.from)
    return all.filter(({ tables }, i) => tables !== all[i - 1]?.tables)
  }

  /** A record that closes windows may have several dead letters, in the same order each time. */
  #freeId({ topic, partition, sink, of }: OutputCause, isOther: (known: Written) => boolean) {
    const first = `${topic}/${partition}/${sink}/${of}`
    for (let id = first, n = 2; ; id = `${first}#${n++}`) {
      const known = this.#all.get(id)
      if (known === undefined || !isOther(known)) return id
    }
  }

  #shared(marks: Marks): Marks {
    const name = JSON.stringify(marks)
    const known = this.#marks.get(name) ?? marks
    this.#marks.set(name, known)
    return known
  }
}

/** The cause of dead letters has no sink. */
export function deadLetterOf({ topic, partition, of }: Omit<OutputCause, 'sink'>): OutputCause {
  return { topic, partition, of, sink: '' }
}

export function isDeadLetter({ sink }: OutputCause): boolean {
  return sink === ''
}

/** `scores of payments-2@1041`, or with the key and the start of a window. */
export function causeName({ topic, partition, sink, of }: OutputCause): string {
  const record = typeof of === 'number' ? position(topic, partition, of) : `window ${of}`
  return `${sink || 'dead letter'} of ${record}`
}

const MARKS = [BY_HEADER, MODEL_HEADER, TABLES_HEADER, BY_CLOCK_HEADER.name, LATE_HEADER.name]
MARKS.push(WARMING_HEADER, CODE_HEADER)

export function marksOf({ headers }: RecordParts): Marks {
  const marks = headers.filter(({ name }) => MARKS.includes(name))
  return Object.fromEntries(marks.map(({ name, value }) => [name, String(value)]))
}

const room = new ByteRoom()
const DIGEST_BYTES = 6

/** 48 bits of a SHA-256. */
export function digestOf(record: RecordParts): number {
  room.clear()
  appendParts(comparedParts(record), room)
  return hash('sha256', room.bytes.subarray(0, room.used), 'buffer').readUIntBE(0, DIGEST_BYTES)
}

/** A record without what differs each time. */
export function comparedParts({ key, value, headers }: RecordParts): RecordParts {
  const compared = headers.filter(({ name }) => name !== SCORED_AT_HEADER)
  return { key, value, timestampMs: 0, headers: compared }
}
