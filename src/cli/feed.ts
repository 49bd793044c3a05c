import type { Readable } from 'node:stream'
import type { RawRecord } from '../formats/format.ts'
import { GivenRecord, UNWRITTEN } from '../formats/given-record.ts'
import { eventKey } from '../formats/identity.ts'
import { recordDecoder } from '../formats/record-decoder.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { MemoryRecords } from '../records/memory/memory-records.ts'
import type { Header } from '../records/port.ts'
import type { SourceDefinition } from '../topology/definition.ts'
import type { LineBook } from './line-book.ts'
import { type Line, linesOf, splitKey } from './lines.ts'

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
