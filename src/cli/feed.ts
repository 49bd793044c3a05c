import type { Readable } from 'node:stream'
import type { RawRecord } from '../formats/format.ts'
import { eventKey } from '../formats/identity.ts'
import { recordDecoder } from '../formats/open-format.ts'
import { GivenRecord, UNWRITTEN } from '../formats/record-decoding.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { NO_TIMESTAMP } from '../kernel/time.ts'
import { keyOfRow, rowFault } from '../lookup/rows.ts'
import type { MemoryRecords } from '../records/memory/memory-records.ts'
import type { Header } from '../records/port.ts'
import type { SourceDefinition, TableDefinition } from '../topology/definition.ts'
import type { LineBook } from './line-book.ts'
import { type InputFile, type Line, linesOf, splitKey } from './lines.ts'

/** The most lines that may be uncommitted; reading waits above this. */
const MAX_IN_FLIGHT = 20_000

/** Where lines go. */
export interface Feed {
  readonly source: SourceDefinition
  /** Headers of every record. */
  readonly headers: readonly Header[]
  readonly records: MemoryRecords
  readonly book: LineBook
  /** Resolves when something has been committed. */
  readonly committed: () => Promise<void>
}

/**
 * Writes each line of a stream to the source's topic, as fast as the worker commits them. Resolves
 * at the end of the stream.
 */
export async function feedLines(stream: Readable, feed: Feed): Promise<void> {
  const { source, headers } = feed
  const keyOf = lineKeys(source)
  for await (const lines of linesOf(stream)) {
    const around = { timestampMs: Date.now(), headers }
    const positions = feed.records.produce(
      lines.map((line) => ({
        topic: source.topic,
        partition: null,
        ...around,
        ...keyOf(line, around),
      })),
    )
    for (const [i, position] of positions.entries()) {
      feed.book.add(position, (lines[i] as Line).number)
    }
    while (feed.book.inFlight > MAX_IN_FLIGHT) await feed.committed()
  }
}

/** Where the rows of a table go. */
interface RowFeed {
  readonly table: TableDefinition
  readonly records: MemoryRecords
}

/**
 * Writes each line of a file to the topic of a table; a line with a key and nothing after it is a
 * tombstone.
 * @throws TidemarkError `TABLE_INVALID`: a line has no key of its own, and the table finds none
 */
export async function feedRows({ stream }: InputFile, { table, records }: RowFeed): Promise<void> {
  const keyOf = rowKeys(table)
  const topic = table.from.topic as string
  for await (const lines of linesOf(stream)) {
    const shared = { topic, partition: null, timestampMs: Date.now(), headers: [] }
    records.produce(lines.map((line) => ({ ...shared, ...keyOf(line) })))
  }
}

/** A line's own key, else the key that the table finds in its row. */
function rowKeys(table: TableDefinition): (line: Line) => { key: Buffer; value: Buffer | null } {
  const decoder = recordDecoder(table)
  const from = { topic: table.from.topic as string, partition: UNWRITTEN }
  const around = { offset: UNWRITTEN, timestampMs: NO_TIMESTAMP, headers: [] }
  return ({ bytes, number }) => {
    const { key, value } = splitKey(bytes)
    if (key !== null) return { key, value: value.length === 0 ? null : value }
    try {
      if (table.key === null) throw rowFault('it has no key: write key<TAB>JSON')
      const row = decoder.decode({ ...around, key: NO_KEY, value }, from)
      return { key: Buffer.from(keyOfRow(table, row)), value }
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError)) throw thrown
      const what = `table "${table.name}", line ${number}: ${thrown.message}`
      throw new TidemarkError('TABLE_INVALID', what, { where: '--table' })
    }
  }
}

const NO_KEY = Buffer.alloc(0)

/** What a record has besides what is in its line. */
type Around = Pick<RawRecord, 'timestampMs' | 'headers'>

/**
 * A line's own key, else the topology's key of its event. A line that is not a valid event has an
 * empty key.
 */
function lineKeys(
  source: SourceDefinition,
): (line: Line, around: Around) => { key: Buffer; value: Buffer } {
  const decoder = recordDecoder(source)
  const from = { topic: source.topic, partition: UNWRITTEN }
  return ({ bytes }, around) => {
    const { key, value } = splitKey(bytes)
    if (key !== null) return { key, value }
    const record = { offset: UNWRITTEN, ...around, key: NO_KEY, value }
    try {
      const event = decoder.decode(record, from)
      const given = new GivenRecord(record, from)
      return { key: Buffer.from(eventKey((e) => source.key(e, given), event)), value }
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError)) throw thrown
      return { key: NO_KEY, value }
    }
  }
}
