import type { ScannedEvents } from '../columns/scanned-events.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { Slices } from '../kernel/slices.ts'
import type { Decoded, DecodeFault, RawChunk } from './format.ts'

/** Records decoded between two checks whether other work should have its turn. */
const UNASKED = 32

/** A chunk that is being decoded. */
export interface OpenChunk extends RawChunk {
  /** The events so far. */
  readonly events: ScannedEvents
  /** For each event so far, the index of its record. */
  readonly taken: number[]
}

/** Decodes single records. */
export interface EachDecoder {
  /**
   * Adds the event of a record to the chunk's; false: the record is skipped.
   * @throws TidemarkError one that makes the record a dead letter
   */
  add(chunk: OpenChunk, index: number): boolean
}

/** Decodes the records of a chunk one by one. Yields where other work may have its turn. */
export function* decodeEach(
  chunk: OpenChunk,
  slices: Slices,
  by: EachDecoder,
): Generator<void, Decoded> {
  const { records, events, taken } = chunk
  const faults: DecodeFault[] = []
  for (let record = 0; record < records.length; record++) {
    if (record % UNASKED === UNASKED - 1 && slices.isOver) yield
    try {
      if (by.add(chunk, record)) taken.push(record)
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.action !== 'dead-letter') throw error
      faults.push({ record, error })
    }
  }
  return { events, records: taken, faults }
}
