import type { FieldPath } from '../../columns/columns.ts'
import type { ScannedEvents } from '../../columns/scanned-events.ts'
import type { Format, RawRecord, RawRecords } from '../../formats/format.ts'
import { UNWRITTEN } from '../../formats/record-decoding.ts'
import type { Memory, Place } from '../../kernel/bytes.ts'
import { atOnce, Slices } from '../../kernel/slices.ts'
import { NO_TIMESTAMP } from '../../kernel/time.ts'
import type { InputBlock } from '../../records/files/input-lines.ts'
import type { SourceDefinition } from '../../topology/definition.ts'
import { readFunction } from '../../topology/function-reading.ts'

const NO_KEY = Buffer.alloc(0)
const TAB = 0x09
const BRACE = 0x7b
const UNCUT = new Slices(() => 0)

/** Lines and their events. */
export interface DecodedLines {
  /** By line, where its value begins: behind a key and a tab, if it has them. */
  readonly values: readonly number[]
  readonly records: RawRecords
  readonly events: ScannedEvents
  /** By line, the index of its event; −1: it has none. */
  readonly eventOf: Int32Array
}

/** Decodes lines only as far as their key or time needs, before they are in a partition. */
export function decodedLines(
  { memory, starts, ends }: InputBlock,
  format: Format,
  { topic }: Pick<SourceDefinition, 'topic'>,
): DecodedLines {
  const values = starts.map((start, line) => valueStart(memory.bytes, start, ends[line] as number))
  const records = new RawLines(memory, values, ends)
  const from = { topic, partition: UNWRITTEN }
  const decoded = atOnce(format.decode({ from, records }, UNCUT))
  const eventOf = new Int32Array(starts.length).fill(-1)
  for (const [event, line] of decoded.records.entries()) eventOf[line] = event
  return { values, records, events: decoded.events, eventOf }
}

/** The field that a function reads, or whose time it reads; none if it does more. */
export function pickedFields(of: (...args: never[]) => unknown): FieldPath[] {
  const reading = readFunction(of)
  const expression = 'why' in reading ? null : reading.expression
  const isRead = expression?.is === 'pick' || expression?.is === 'time'
  return isRead && expression.path.length > 0 ? [expression.path] : []
}

function valueStart(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] === BRACE) return start
  const tab = bytes.indexOf(TAB, start)
  return tab < 0 || tab >= end ? start : tab + 1
}

/** The values of lines as records with an empty key. */
class RawLines implements RawRecords {
  readonly #memory: Memory
  readonly #starts: readonly number[]
  readonly #ends: readonly number[]

  constructor(memory: Memory, starts: readonly number[], ends: readonly number[]) {
    this.#memory = memory
    this.#starts = starts
    this.#ends = ends
  }

  get length(): number {
    return this.#starts.length
  }

  at(line: number): RawRecord {
    const value = this.#memory.buffer.subarray(this.#starts[line], this.#ends[line])
    return { offset: UNWRITTEN, timestampMs: NO_TIMESTAMP, key: NO_KEY, value, headers: [] }
  }

  locate(line: number, into: Place): boolean {
    into.memory = this.#memory
    into.from = this.#starts[line] as number
    into.to = this.#ends[line] as number
    return true
  }
}
