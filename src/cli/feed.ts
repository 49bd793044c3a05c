import type { Readable } from 'node:stream'
import { GivenRecord } from '../formats/given-record.ts'
import { eventKey } from '../formats/identity.ts'
import { EventDecoder } from '../formats/json/event-decoder.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { NO_TIMESTAMP } from '../kernel/time.ts'
import type { MemoryRecords } from '../records/memory/memory-records.ts'
import type { SourceDefinition } from '../topology/definition.ts'
import type { LineBook } from './line-book.ts'
import { type Line, linesOf, splitKey } from './lines.ts'

/** The most lines that may be uncommitted; reading waits above this. */
const MAX_IN_FLIGHT = 20_000

/** Where lines go. */
export interface Feed {
  readonly source: SourceDefinition
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
  const keyOf = lineKeys(feed.source)
  for await (const lines of linesOf(stream)) {
    const timestampMs = Date.now()
    const positions = feed.records.produce(
      lines.map((line) => ({
        topic: feed.source.topic,
        partition: null,
        ...keyOf(line),
        timestampMs,
        headers: [],
      })),
    )
    for (const [i, position] of positions.entries()) {
      feed.book.add(position, (lines[i] as Line).number)
    }
    while (feed.book.inFlight > MAX_IN_FLIGHT) await feed.committed()
  }
}

const NO_KEY = Buffer.alloc(0)
/** Where a record is that has not been written yet. */
const NOWHERE = -1
const NOT_WRITTEN = { offset: NOWHERE, timestampMs: NO_TIMESTAMP, key: NO_KEY, headers: [] }

/**
 * A line's own key, else the topology's key of its event. A line that is not a valid event has an
 * empty key.
 */
function lineKeys(source: SourceDefinition): (line: Line) => { key: Buffer; value: Buffer } {
  const decoder = new EventDecoder(source)
  return ({ bytes }) => {
    const { key, value } = splitKey(bytes)
    if (key !== null) return { key, value }
    try {
      const record = { ...NOT_WRITTEN, value }
      const event = decoder.decode(record)
      const given = new GivenRecord(record, { topic: source.topic, partition: NOWHERE })
      return { key: Buffer.from(eventKey((e) => source.key(e, given), event)), value }
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError)) throw thrown
      return { key: NO_KEY, value }
    }
  }
}
