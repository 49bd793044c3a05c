import { TidemarkError } from '../../kernel/errors.ts'
import { valuePlace } from '../../kernel/memory.ts'
import type { Slices } from '../../kernel/slices.ts'
import { type ColumnForm, type FieldPath, ScannedColumns } from '../../plan/columns.ts'
import type { Reader } from '../../plan/events.ts'
import { columnReader, ScannedEvents } from '../../plan/scanned-events.ts'
import type { SourceDefinition } from '../../topology/definition.ts'
import type { Decoded, DecodeFault, Format, RawRecord, RawRecords } from '../format.ts'
import { EventDecoder } from './event-decoder.ts'
import { LIMITS } from './limits.ts'
import { compileScanner, type Scanner } from './scanner.ts'

/** Records decoded between two checks whether other work should have its turn. */
const UNASKED = 32

/** The format of JSON in UTF-8, checked by the source's schema. */
export class JsonFormat implements Format {
  readonly reader: Reader
  readonly forms: readonly ColumnForm[]
  readonly whyMade: string | null
  readonly #decoder: EventDecoder
  readonly #value = valuePlace()
  readonly #place = { memory: this.#value.memory, from: 0, to: 0 }
  /** `null`: the schema's effect is not known. */
  readonly #scanner: Scanner | null

  /** @param wanted the fields that the topology needs */
  constructor(source: SourceDefinition, wanted: readonly FieldPath[]) {
    const compiled = compileScanner(source.schema, { wanted, limits: LIMITS })
    this.#decoder = new EventDecoder(source)
    this.#scanner = 'why' in compiled ? null : compiled.scanner
    this.whyMade = 'why' in compiled ? compiled.why : null
    this.forms = this.#scanner?.forms ?? []
    this.reader = columnReader(this.forms)
  }

  prepare(): null {
    return null
  }

  *decode(all: RawRecords, slices: Slices): Generator<void, Decoded> {
    const records: number[] = []
    const faults: DecodeFault[] = []
    const events = this.events(all.length, (index) => all.at(records[index] as number))
    for (let record = 0; record < all.length; record++) {
      if (record % UNASKED === UNASKED - 1 && slices.isOver) yield
      try {
        this.add(all, record, events)
        records.push(record)
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.action !== 'dead-letter') throw error
        faults.push({ record, error })
      }
    }
    return { events, records, faults }
  }

  /** Allocates room for events. @param recordOf returns the record of an event, by index */
  events(capacity: number, recordOf: (index: number) => RawRecord): ScannedEvents {
    const columns = new ScannedColumns(this.forms, capacity)
    return new ScannedEvents(columns, (index) => this.#decoder.decodeScanned(recordOf(index)))
  }

  /** Adds the event of a record. @throws as {@link EventDecoder.decode} */
  add(records: Pick<RawRecords, 'at' | 'locate'>, index: number, events: ScannedEvents): void {
    if (this.#isScanned(records, index, events)) events.addScanned(this.#value.memory)
    else events.addMade(this.#decoder.decode(records.at(index)))
  }

  /** Scans a record into the columns; false: it could not be scanned. */
  #isScanned(
    records: Pick<RawRecords, 'locate'>,
    index: number,
    { columns, count }: ScannedEvents,
  ): boolean {
    if (this.#scanner === null) return false
    const value = this.#value
    records.locate(index, value)
    if (!value.hasKey || value.valueStart < 0) return false
    const place = this.#place
    place.memory = value.memory
    place.from = value.valueStart
    place.to = value.valueEnd
    return this.#scanner.scan(place, columns, count)
  }
}
