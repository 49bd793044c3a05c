import type { Readable } from 'node:stream'
import { committingThrough } from '../connect/committing-through.ts'
import { type Line, linesOf, splitKey } from '../connect/files/lines.ts'
import { MemoryRecords } from '../connect/memory/memory-records.ts'
import type { Commit, Header, NewRecord, NewRecords, TopicPartition } from '../connect/port.ts'
import type { RawRecord } from '../formats/format.ts'
import { eventKey } from '../formats/identity.ts'
import { recordDecoder } from '../formats/open-format.ts'
import { GivenRecord, UNWRITTEN } from '../formats/record-decoding.ts'
import { configFault, orFault, refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import { NO_TIMESTAMP } from '../kernel/time.ts'
import { recordKeyOf, timeOfRow } from '../lookup/rows.ts'
import { DEFAULT_CONFIG } from '../runtime/config.ts'
import type { Observer, Outcomes } from '../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../runtime/output/outcomes.ts'
import { startWorker, type Worker, type WorkerOptions } from '../runtime/worker.ts'
import type { Definition, SourceDefinition, TableDefinition } from '../topology/definition.ts'
import { allTopics, withSinksInTopics } from '../topology/graph.ts'
import { untilSignal } from './exit.ts'
import { grouped, plural, readerGone, say, sayShare } from './print.ts'

// A worker in this process: its records in memory, fed from lines and published, and their outcomes.

export function embeddedRecords(definition: Definition, partitions: number): MemoryRecords {
  const records = new MemoryRecords()
  for (const topic of allTopics(withSinksInTopics(definition))) {
    records.createTopic(topic, { partitions })
  }
  return records
}

interface EmbeddedWorker extends Omit<WorkerOptions, 'config'> {
  readonly records: MemoryRecords
  /**
   * Takes outputs. Offsets are committed once it has resolved, so a slow reader causes backpressure
   * on the worker.
   */
  readonly publish: (commit: Commit) => Promise<void>
}

/**
 * Runs a worker until its input is over, it is told to stop, or nobody reads stdout.
 * @param input resolves at the end of the input
 */
export async function workEmbedded(
  { publish, ...options }: EmbeddedWorker,
  input: (worker: Worker) => Promise<void>,
): Promise<void> {
  const committing = committingThrough(options.records, async (commit, member) => {
    await publish(commit)
    await member.commit({ ...commit, outputs: [], deadLetters: [] })
  })
  const write = (outputs: NewRecords) => publish({ outputs, deadLetters: [], nextOffsets: [] })
  const records = { ...committing, writer: () => ({ write, close: async () => {} }) }
  const ended = untilSignal(readerGone)
  const worker = startWorker({ ...options, config: DEFAULT_CONFIG, records })
  try {
    await Promise.race([input(worker), ended.promise, worker.done])
  } finally {
    try {
      await worker.stop()
    } finally {
      ended.dispose()
      await records.close()
    }
  }
}

/** The lines of records that are not committed yet. */
export class LineBook {
  readonly #partitions = new Map<number, { first: number; lines: number[] }>()

  /** Offsets of a partition must be added in order, without a gap. */
  add({ partition, offset }: TopicPartition & { readonly offset: number }, line: number): void {
    const book = this.#partitions.get(partition) ?? { first: offset, lines: [] }
    this.#partitions.set(partition, book)
    book.lines.push(line)
  }

  lineAt(partition: number, offset: number): number | undefined {
    const book = this.#partitions.get(partition)
    return book?.lines[offset - book.first]
  }

  forget(partition: number, before: number): void {
    const book = this.#partitions.get(partition)
    if (book === undefined || before <= book.first) return
    book.lines.splice(0, before - book.first)
    book.first = before
  }
}

interface EventFeed {
  readonly source: SourceDefinition
  readonly headers: readonly Header[]
  readonly records: MemoryRecords
  readonly group: string
  readonly book: LineBook
}

/** The most lines that may be uncommitted; reading waits above this. */
const MAX_IN_FLIGHT = 20_000

/** Writes each line of a stream to the source's topic, as fast as the worker commits them. */
export async function feedEvents(stream: Readable, feed: EventFeed): Promise<void> {
  const { source, headers, records, group, book } = feed
  const { topic } = source
  const decode = recordDecoder(source)
  for await (const lines of linesOf(stream)) {
    const shared = { timestampMs: Date.now(), headers }
    /** An empty key if the event is invalid. */
    const keyIn = (value: Buffer) => {
      const [record, from] = unwritten(topic, value, shared)
      try {
        const sourceRecord = new GivenRecord(record, from)
        return eventKey((event) => source.key(event, sourceRecord), decode(record, from))
      } catch (thrown) {
        orFault(thrown)
        return ''
      }
    }
    const produced = lines.map(({ bytes }) => {
      const { key, value } = splitKey(bytes)
      return { topic, partition: null, ...shared, key: key ?? Buffer.from(keyIn(value)), value }
    })
    const positions = records.produce(produced)
    for (const [i, position] of positions.entries()) book.add(position, (lines[i] as Line).number)
    await records.settled(group, topic, MAX_IN_FLIGHT)
  }
}

export function tablesInTopics({ tables }: Definition): readonly TableDefinition[] {
  return tables.filter(({ from }) => from.topic !== undefined)
}

/**
 * Says which tables or stores have no rows. @param candidates those whose rows can be given
 * @throws Refused rows of others
 */
export function checkRows(
  kind: 'table' | 'store',
  candidates: readonly { readonly name: string }[],
  rows: ReadonlyMap<string, unknown>,
): void {
  const names = candidates.map(({ name }) => name)
  const hint = names.length === 0 ? 'it has none' : `it has: ${names.join(', ')}`
  const strange = [...rows.keys()].filter((name) => !names.includes(name))
  const message = (name: string) => `the topology has no ${kind} "${name}" whose rows can be given`
  refuseIfAny(strange.map((name) => configFault(message(name), `--${kind}`, hint)))
  for (const name of names.filter((each) => !rows.has(each))) {
    say(`${kind} "${name}" is empty: give its rows with --${kind} ${name}=rows.ndjson`)
  }
}

/**
 * Writes each line of a file to a table's topic, in one partition, because later lines count; a key
 * and nothing after it is a tombstone, which has the time of the row before it.
 * @throws TidemarkError `TABLE_INVALID`: a line is not a row, or has no key and the table finds
 * none
 */
export async function feedRows(
  table: TableDefinition,
  stream: Readable,
  records: MemoryRecords,
): Promise<void> {
  const topic = table.from.topic as string
  const decode = recordDecoder(table)
  const shared = { topic, partition: 0, headers: [] }
  let timestampMs = 0
  const recordOf = (line: Line): NewRecord => {
    const { key, value } = splitKey(line.bytes)
    if (value.length === 0) return { ...shared, key, value: null, timestampMs }
    try {
      const defaults = { timestampMs: NO_TIMESTAMP, headers: [] }
      const row = decode(...unwritten(topic, value, defaults))
      timestampMs = timeOfRow(table, row)
      return { ...shared, key: key ?? recordKeyOf(table, row), value, timestampMs }
    } catch (thrown) {
      const message = `table "${table.name}", line ${line.number}: ${orFault(thrown).message}`
      throw new TidemarkError('TABLE_INVALID', message, { where: '--table' })
    }
  }
  for await (const lines of linesOf(stream)) records.produce(lines.map(recordOf))
}

function unwritten(
  topic: string,
  value: Buffer,
  shared: Pick<RawRecord, 'timestampMs' | 'headers'>,
) {
  const record = { offset: UNWRITTEN, ...shared, key: NO_KEY, value }
  return [record, { topic, partition: UNWRITTEN }] as const
}

const NO_KEY = Buffer.alloc(0)

/** Outcomes that are counted only in topologies with such a step. */
const OPTIONAL_OUTCOMES: readonly string[] = ['windowed', 'duplicate'] satisfies (keyof Outcomes)[]

/** More than this share of dead letters is told, percent. */
export const MANY_DEAD = 1

export class OutcomeTally {
  outcomes = NO_OUTCOMES
  records = 0
  dead = 0
  #closed = 0

  readonly observer: Observer = (event) => {
    if (event.type === 'consumed') this.records += event.records
    if (event.type === 'dead-letter') this.dead++
    if (event.type !== 'processed') return
    for (const windows of event.closed.values()) this.#closed += windows
    this.outcomes = addOutcomes(this.outcomes, event.outcomes)
  }

  say(): void {
    say(this.summary())
    sayShare((100 * this.dead) / this.records, MANY_DEAD, 'of the records are dead letters')
  }

  summary(): string {
    const sum = summaryOfOutcomes(this.records, this.outcomes)
    return this.#closed === 0 ? sum : `${sum}; ${plural(this.#closed, 'window')} closed`
  }
}

/** `5,000 in = 4,990 scored + 0 skipped + 5 late + 5 dead` */
export function summaryOfOutcomes(records: number, outcomes: Outcomes): string {
  const parts = Object.entries(outcomes)
    .filter(([name, n]) => n > 0 || !OPTIONAL_OUTCOMES.includes(name))
    .map(([name, n]) => `${grouped(n)} ${name}`)
  return `${grouped(records)} in = ${parts.join(' + ')}`
}
