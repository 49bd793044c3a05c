import type { Readable } from 'node:stream'
import type { RawRecord } from '../formats/format.ts'
import { eventKey } from '../formats/identity.ts'
import { recordDecoder } from '../formats/open-format.ts'
import { GivenRecord, UNWRITTEN } from '../formats/record-decoding.ts'
import { ConditionVariable } from '../kernel/condition-variable.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { NO_TIMESTAMP } from '../kernel/time.ts'
import { keyOfRow, rowFault } from '../lookup/rows.ts'
import { committingThrough } from '../records/committing-through.ts'
import { type Line, linesOf, splitKey } from '../records/files/lines.ts'
import { MemoryRecords } from '../records/memory/memory-records.ts'
import type { Commit, Header, NewRecords, Records, TopicPartition } from '../records/port.ts'
import type { Observer, Outcomes } from '../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../runtime/output/outcomes.ts'
import type { Definition, SourceDefinition, TableDefinition } from '../topology/definition.ts'
import { allTopics, redisSinks } from '../topology/graph.ts'
import { grouped, plural } from './print.ts'

// A worker in this process: its records in memory, fed from lines and published, and their outcomes.

export function embeddedRecords(definition: Definition, partitions: number): MemoryRecords {
  const records = new MemoryRecords()
  const sinks = redisSinks([definition]).keys()
  for (const topic of [...allTopics(definition), ...sinks]) {
    records.createTopic(topic, { partitions })
  }
  return records
}

/**
 * Records in memory whose outputs and dead letters go to `publish`. Offsets are committed once it
 * has resolved, so a slow reader causes backpressure on the worker.
 */
export function publishingRecords(
  records: MemoryRecords,
  publish: (commit: Commit) => Promise<void>,
): Records {
  const committing = committingThrough(records, async (commit, member) => {
    await publish(commit)
    await member.commit({ ...commit, outputs: [], deadLetters: [] })
  })
  const send = (outputs: NewRecords) => publish({ outputs, deadLetters: [], nextOffsets: [] })
  return { ...committing, writer: () => ({ send, close: async () => {} }) }
}

/** The most lines that may be uncommitted; reading waits above this. */
const MAX_IN_FLIGHT = 20_000

export class LineBook {
  readonly #changed = new ConditionVariable()
  readonly #partitions = new Map<number, { first: number; lines: number[] }>()
  inFlight = 0

  /** Offsets of a partition must be added in order, without a gap. */
  add({ partition, offset }: TopicPartition & { readonly offset: number }, line: number): void {
    const book = this.#partitions.get(partition) ?? { first: offset, lines: [] }
    this.#partitions.set(partition, book)
    book.lines.push(line)
    this.inFlight++
  }

  lineAt(partition: number, offset: number): number | undefined {
    const book = this.#partitions.get(partition)
    return book?.lines[offset - book.first]
  }

  forget(partition: number, before: number): void {
    const book = this.#partitions.get(partition)
    if (book === undefined || before <= book.first) return
    const forgotten = book.lines.splice(0, before - book.first)
    book.first = before
    this.inFlight -= forgotten.length
    this.#changed.notifyAll()
  }

  /** Resolves when few enough lines are uncommitted to read more. */
  hasRoom(): Promise<void> {
    return this.#changed.until(() => this.inFlight <= MAX_IN_FLIGHT)
  }
}

interface EventFeed {
  readonly source: SourceDefinition
  readonly headers: readonly Header[]
  readonly records: MemoryRecords
  readonly book: LineBook
}

/** Writes each line of a stream to the source's topic, as fast as the worker commits them. */
export async function feedEvents(stream: Readable, feed: EventFeed): Promise<void> {
  const { source, headers } = feed
  const keyOf = eventKeys(source)
  for await (const lines of linesOf(stream)) {
    const shared = { timestampMs: Date.now(), headers }
    const positions = feed.records.produce(
      lines.map((line) => ({
        topic: source.topic,
        partition: null,
        ...shared,
        ...keyOf(line, shared),
      })),
    )
    for (const [i, position] of positions.entries()) {
      feed.book.add(position, (lines[i] as Line).number)
    }
    await feed.book.hasRoom()
  }
}

const NO_KEY = Buffer.alloc(0)

/** A line's own key, else the key of its event; an empty key if the event is invalid. */
function eventKeys(source: SourceDefinition) {
  const decode = recordDecoder(source)
  const from = { topic: source.topic, partition: UNWRITTEN }
  return ({ bytes }: Line, shared: Pick<RawRecord, 'timestampMs' | 'headers'>) => {
    const { key, value } = splitKey(bytes)
    if (key !== null) return { key, value }
    const record = { offset: UNWRITTEN, ...shared, key: NO_KEY, value }
    try {
      const event = decode(record, from)
      const given = new GivenRecord(record, from)
      return { key: Buffer.from(eventKey((e) => source.key(e, given), event)), value }
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError)) throw thrown
      return { key: NO_KEY, value }
    }
  }
}

/**
 * Writes each line of a file to a table's topic; a key and nothing after it is a tombstone.
 * @throws TidemarkError `TABLE_INVALID`: a line has no key of its own, and the table finds none
 */
export async function feedRows(
  table: TableDefinition,
  stream: Readable,
  records: MemoryRecords,
): Promise<void> {
  const keyOf = rowKeys(table)
  const topic = table.from.topic as string
  for await (const lines of linesOf(stream)) {
    const shared = { topic, partition: null, timestampMs: Date.now(), headers: [] }
    records.produce(lines.map((line) => ({ ...shared, ...keyOf(line) })))
  }
}

function rowKeys(table: TableDefinition) {
  const decode = recordDecoder(table)
  const from = { topic: table.from.topic as string, partition: UNWRITTEN }
  const shared = { offset: UNWRITTEN, timestampMs: NO_TIMESTAMP, headers: [] }
  return ({ bytes, number }: Line) => {
    const { key, value } = splitKey(bytes)
    if (key !== null) return { key, value: value.length === 0 ? null : value }
    try {
      if (table.key === null) throw rowFault('it has no key: write key<TAB>JSON')
      const row = decode({ ...shared, key: NO_KEY, value }, from)
      return { key: Buffer.from(keyOfRow(table, row)), value }
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError)) throw thrown
      const what = `table "${table.name}", line ${number}: ${thrown.message}`
      throw new TidemarkError('TABLE_INVALID', what, { where: '--table' })
    }
  }
}

/** Outcomes that are counted only in topologies with such a step. */
const OF_SOME_TOPOLOGIES: readonly string[] = ['windowed', 'duplicate'] satisfies (keyof Outcomes)[]

export class OutcomeTally {
  outcomes = NO_OUTCOMES
  records = 0
  #closed = 0

  readonly observer: Observer = (event) => {
    if (event.type === 'consumed') this.records += event.records
    if (event.type !== 'processed') return
    for (const windows of event.closed.values()) this.#closed += windows
    this.outcomes = addOutcomes(this.outcomes, event.outcomes)
  }

  summary(): string {
    const sum = summaryOfOutcomes({ records: this.records, ...this.outcomes })
    return this.#closed === 0 ? sum : `${sum}; ${plural(this.#closed, 'window')} closed`
  }
}

/** `5,000 in = 4,990 scored + 0 skipped + 5 late + 5 dead` */
export function summaryOfOutcomes({
  records,
  ...outcomes
}: Outcomes & { readonly records: number }): string {
  const parts = Object.entries(outcomes)
    .filter(([name, n]) => n > 0 || !OF_SOME_TOPOLOGIES.includes(name))
    .map(([name, n]) => `${grouped(n)} ${name}`)
  return `${grouped(records)} in = ${parts.join(' + ')}`
}
