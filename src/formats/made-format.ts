import { ScannedColumns } from '../columns/columns.ts'
import { called } from '../columns/events.ts'
import { ScannedEvents } from '../columns/scanned-events.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { Slices } from '../kernel/slices.ts'
import { decodeEach } from './decode-each.ts'
import { EventMaker } from './event-maker.ts'
import type { Decoded, Format, FormatSource, RawChunk } from './format.ts'
import { recordDecoder } from './record-decoder.ts'

/** A format without columns: an object is made of each event. */
export class MadeFormat implements Format {
  readonly reader = called
  readonly forms = []
  readonly whyMade: string
  readonly #maker: EventMaker

  constructor(source: FormatSource, whyMade: string) {
    this.whyMade = whyMade
    this.#maker = new EventMaker(source, recordDecoder(source))
  }

  prepare(): null {
    return null
  }

  decode(chunk: RawChunk, slices: Slices): Generator<void, Decoded> {
    const columns = new ScannedColumns(this.forms, chunk.records.length)
    const events = new ScannedEvents(columns, notScanned)
    return decodeEach({ ...chunk, events, taken: [] }, slices, this.#maker)
  }
}

function notScanned(index: number): never {
  throw new TidemarkError('INVARIANT', `event ${index} was not made`)
}
