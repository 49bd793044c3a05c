import { Memory, type PartsPlace, partsPlace } from '../../kernel/memory.ts'
import { type ColumnForm, type FieldPath, ScannedColumns } from '../../plan/columns.ts'
import type { Reader } from '../../plan/events.ts'
import { columnReader, ScannedEvents } from '../../plan/scanned-events.ts'
import type { SourceDefinition } from '../../topology/definition.ts'
import { EventDecoder, type RawRecord } from './event-decoder.ts'
import { LIMITS } from './limits.ts'
import { compileScanner, type Scanner } from './scanner.ts'

/** Makes events of the records of one source: JSON in UTF-8, then the source's schema. */
export class JsonFormat {
  /** How functions of its events are asked. */
  readonly reader: Reader
  /** What of its events lies in columns. */
  readonly forms: readonly ColumnForm[]
  /** Why every event has to be made; `null`: most need not be. */
  readonly whyMade: string | null
  readonly #decoder: EventDecoder
  readonly #parts = partsPlace()
  readonly #place = { memory: this.#parts.memory, from: 0, to: 0 }
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
  decode(record: RawRecord, events: ScannedEvents): void {
    if (this.#isScanned(record, events)) events.addScanned(this.#parts.memory)
    else events.addMade(this.#decoder.decode(record))
  }

  /** Is the record's event in the columns now? */
  #isScanned(record: RawRecord, { columns, count }: ScannedEvents): boolean {
    if (this.#scanner === null) return false
    const parts = this.#parts
    if (record.locate === undefined) locate(record, parts)
    else record.locate(parts)
    if (parts.keyStart < 0 || parts.valueStart < 0) return false
    const place = this.#place
    place.memory = parts.memory
    place.from = parts.valueStart
    place.to = parts.valueEnd
    return this.#scanner.scan(place, columns, count)
  }
}

/** Of a record that lies somewhere by itself. */
function locate({ key, value }: RawRecord, into: PartsPlace): void {
  into.keyStart = key === null ? -1 : 0
  into.keyEnd = key?.length ?? 0
  into.valueStart = value?.byteOffset ?? -1
  into.valueEnd = into.valueStart + (value?.length ?? 0)
  if (value !== null && into.memory.bytes.buffer !== value.buffer) {
    into.memory = new Memory(value.buffer)
  }
}
