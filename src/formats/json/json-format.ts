import { type ValuePlace, valuePlace } from '../../kernel/memory.ts'
import { type ColumnForm, type FieldPath, ScannedColumns } from '../../plan/columns.ts'
import type { Reader } from '../../plan/events.ts'
import { columnReader, ScannedEvents } from '../../plan/scanned-events.ts'
import type { SourceDefinition } from '../../topology/definition.ts'
import { EventDecoder, type RawRecord } from './event-decoder.ts'
import { LIMITS } from './limits.ts'
import { compileScanner, type Scanner } from './scanner.ts'

/** What events are made of. */
export interface RawRecords {
  at(index: number): RawRecord
  /** Says where the value of one lies, without making a buffer of it. */
  locate(index: number, into: ValuePlace): void
}

/** Makes events of the records of one source: JSON in UTF-8, then the source's schema. */
export class JsonFormat {
  /** How functions of its events are asked. */
  readonly reader: Reader
  /** What of its events lies in columns. */
  readonly forms: readonly ColumnForm[]
  /** Why every event has to be made; `null`: most need not be. */
  readonly whyMade: string | null
  readonly #decoder: EventDecoder
  readonly #value = valuePlace()
  readonly #place = { memory: this.#value.memory, from: 0, to: 0 }
  /** `null`: it is not known what the schema does. */
  readonly #scanner: Scanner | null

  /** @param wanted the fields that are asked for */
  constructor(source: SourceDefinition, wanted: readonly FieldPath[]) {
    const compiled = compileScanner(source.schema, { wanted, limits: LIMITS })
    this.#decoder = new EventDecoder(source)
    this.#scanner = 'why' in compiled ? null : compiled.scanner
    this.whyMade = 'why' in compiled ? compiled.why : null
    this.forms = this.#scanner?.forms ?? []
    this.reader = columnReader(this.forms)
  }

  /** Room for events. @param recordOf the record of one, by its index */
  events(capacity: number, recordOf: (index: number) => RawRecord): ScannedEvents {
    const columns = new ScannedColumns(this.forms, capacity)
    return new ScannedEvents(columns, (index) => this.#decoder.decode(recordOf(index)))
  }

  /** Adds the event of a record. @throws as {@link EventDecoder.decode} */
  decode(records: RawRecords, index: number, events: ScannedEvents): void {
    if (this.#isScanned(records, index, events)) events.addScanned(this.#value.memory)
    else events.addMade(this.#decoder.decode(records.at(index)))
  }

  /** Is the record's event in the columns now? */
  #isScanned(records: RawRecords, index: number, { columns, count }: ScannedEvents): boolean {
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
