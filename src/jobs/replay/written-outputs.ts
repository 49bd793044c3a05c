import { hash } from 'node:crypto'
import type {
  Header,
  LogRecord,
  RecordParts,
  TopicInfo,
  TopicPartition,
} from '../../connect/port.ts'
import { appendParts } from '../../connect/record-format.ts'
import { ByteRoom } from '../../kernel/bytes.ts'
import { type OutputCause, parseOutputId, position } from '../../kernel/ids.ts'
import { CODE_HEADER, reasonOf } from '../../runtime/output/dead-letter.ts'
import * as provenance from '../../runtime/output/provenance.ts'
import type { Definition, SinkStep } from '../../topology/definition.ts'
import { sinkStepsOf } from '../../topology/graph.ts'

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
export type WrittenMarks = Readonly<Record<string, string>>

/** An output or a dead letter that is written. */
export interface Written {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  /** Hash of key, value and headers. */
  readonly digest: number
  readonly marks: WrittenMarks
  /** Whether there is another of its id before it. */
  readonly isAgain: boolean
  /** Whether the replay has made it, too. */
  isMade: boolean
}

/** Foreign records that are named. */
const MOST_NAMED = 3

/** Outputs and dead letters of a run, by their causes. Each takes about 150 bytes. */
export class WrittenOutputs {
  readonly definition: Definition
  readonly ranges: readonly ReplayRange[]
  readonly topics: readonly string[]
  /** The topics as they are now. */
  descriptions: ReadonlyMap<string, TopicInfo> = new Map()
  readonly #sinks: ReadonlyMap<string, string>
  /** By {@link groupOf}, by {@link OutputCause.of}. */
  readonly #all = new Map<string, Map<number | string, Written>>()
  /** By reason, records in the topics of sinks that none of them has written. */
  readonly #foreign = new Map<string, { count: number; readonly places: string[] }>()
  /** Each distinct set once. */
  readonly #marks = new Map<string, WrittenMarks>()

  /** @param sinks those that are compared */
  constructor(definition: Definition, sinks: readonly SinkStep[], ranges: readonly ReplayRange[]) {
    this.definition = definition
    this.#sinks = new Map(sinks.map(({ name, topic }) => [name, topic]))
    this.ranges = ranges
    this.topics = [...new Set([...this.#sinks.values(), definition.deadLetterTopic])]
  }

  *all(): Generator<readonly [OutputCause, Written]> {
    const { topic } = this.definition.source
    for (const { partition } of this.ranges) {
      for (const sink of [...this.#sinks.keys(), DEAD_LETTERS]) {
        for (const [origin, written] of this.#groupOf({ partition, sink })) {
          yield [{ topic, partition, sink, of: origin }, written]
        }
      }
    }
  }

  /** Takes a record that {@link causeOf} knows no cause of. */
  addForeign({ offset, headers }: LogRecord, { topic, partition }: TopicPartition): void {
    if (![...this.#sinks.values()].includes(topic)) return
    const id = parsedId(headers)
    const { source, then } = this.definition
    const isOwn = sinkStepsOf(then).some(({ name }) => name === id?.sink)
    if (isOwn && id?.topic === source.topic) return
    const why = id === null ? `without ${ID_HEADER}` : `with the ${ID_HEADER} of another sink`
    const entry = this.#foreign.get(why) ?? { count: 0, places: [] }
    this.#foreign.set(why, entry)
    entry.count++
    if (entry.places.length < MOST_NAMED) entry.places.push(position(topic, partition, offset))
  }

  /** Says which records of the topics of sinks are none of theirs, the first of them by name. */
  foreign(): string[] {
    return [...this.#foreign].map(([why, { count, places }]) => {
      const more = count > places.length ? ', …' : ''
      return `not compared, ${why}: ${count} (${places.join(', ')}${more})`
    })
  }

  /** @returns `null`: it is not of the range */
  add(cause: OutputCause, record: LogRecord, partition: number): Written | null {
    const { of: origin } = cause
    const range = this.ranges.find((entry) => entry.partition === cause.partition)
    if (!range || (typeof origin === 'number' && (origin < range.from || range.to <= origin)))
      return null
    const marks = this.#shared(marksOf(record))
    const digest = digestOf(record)
    const group = this.#groupOf(cause)
    const id = freeId(cause, group, (other) => isDeadLetter(cause) && other.digest !== digest)
    const [{ offset, timestampMs }, isAgain] = [record, group.has(id)]
    // Written out, because an object that is made with a spread takes three times the memory.
    const written = { partition, offset, timestampMs, digest, marks, isAgain, isMade: false }
    if (!isAgain) group.set(id, written)
    return written
  }

  /** @returns `null`: nothing is written that the replay has not made already */
  find(cause: OutputCause): Written | null {
    const group = this.#groupOf(cause)
    const id = freeId(cause, group, ({ isMade }) => isDeadLetter(cause) && isMade)
    return group.get(id) ?? null
  }

  /** The topic of an output or a dead letter. */
  topicOf({ sink }: OutputCause): string {
    return this.#sinks.get(sink) ?? this.definition.deadLetterTopic
  }

  /** `null`: another topology wrote it, or it is not compared. */
  causeOf(topic: string, headers: readonly Header[]): OutputCause | null {
    const { name, source, deadLetterTopic } = this.definition
    const cause = parsedId(headers)
    if (cause !== null && this.#sinks.get(cause.sink) === topic) {
      return cause.topic === source.topic ? cause : null
    }
    if (topic !== deadLetterTopic) return null
    const { at } = reasonOf(headers)
    const isOwn = at.topology === name && at.topic === source.topic
    return isOwn ? letterCause({ topic: at.topic, partition: at.partition, of: at.offset }) : null
  }

  /** Positions of the tables that the outputs of a partition tell, in order. */
  tablesOf(partition: number): TablesFrom[] {
    return [...this.#sinks.keys()]
      .flatMap((sink) => [...this.#groupOf({ partition, sink })])
      .flatMap(([from, { marks }]) => {
        return typeof from === 'number' ? { from, tables: marks[TABLES_HEADER] ?? '' } : []
      })
      .sort((a, b) => a.from - b.from)
      .filter(({ tables }, i, every) => tables !== every[i - 1]?.tables)
  }

  #groupOf({ partition, sink }: Pick<OutputCause, 'partition' | 'sink'>) {
    const name = `${partition}/${sink}`
    const group = this.#all.get(name) ?? new Map<number | string, Written>()
    this.#all.set(name, group)
    return group
  }

  #shared(marks: WrittenMarks): WrittenMarks {
    const name = JSON.stringify(marks)
    const entry = this.#marks.get(name) ?? marks
    this.#marks.set(name, entry)
    return entry
  }
}

function parsedId(headers: readonly Header[]): OutputCause | null {
  const id = headers.find((header) => header.name === ID_HEADER)
  return id === undefined ? null : parseOutputId(String(id.value))
}

/** In place of the sink of a dead letter. */
const DEAD_LETTERS = ''

export function letterCause(cause: Omit<OutputCause, 'sink'>): OutputCause {
  return { ...cause, sink: DEAD_LETTERS }
}

export function isDeadLetter({ sink }: OutputCause): boolean {
  return sink === DEAD_LETTERS
}

/** A record that closes windows may have several dead letters, in the same order each time. */
function freeId(
  { of: origin }: OutputCause,
  group: ReadonlyMap<number | string, Written>,
  isOther: (written: Written) => boolean,
): number | string {
  let id = origin
  for (let n = 2; ; n++) {
    const written = group.get(id)
    if (written === undefined || !isOther(written)) return id
    id = `${origin}#${n}`
  }
}

/** `scores of payments-2@1041`, or with the key and the start of a window. */
export function causeName({ topic, partition, sink, of: origin }: OutputCause): string {
  const name = typeof origin === 'number' ? position(topic, partition, origin) : `window ${origin}`
  return `${sink || 'dead letter'} of ${name}`
}

const MARKS = [BY_HEADER, MODEL_HEADER, TABLES_HEADER, BY_CLOCK_HEADER.name, LATE_HEADER.name]
MARKS.push(WARMING_HEADER, CODE_HEADER)

export function marksOf({ headers }: RecordParts): WrittenMarks {
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

/** A record without the header that differs each time. */
export function comparedParts({ key, value, headers }: RecordParts): RecordParts {
  const compared = headers.filter(({ name }) => name !== SCORED_AT_HEADER)
  return { key, value, timestampMs: 0, headers: compared }
}
