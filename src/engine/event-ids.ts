import { Memory } from '../kernel/bytes.ts'
import type { TidemarkError } from '../kernel/errors.ts'
import type { Read } from '../plan/events.ts'
import { FieldRead, NO_CELL, ScannedEvents } from '../plan/scanned-events.ts'
import type { Dictionary } from './dictionary.ts'
import type { Flow } from './events.ts'
import { badId, threw } from './faults.ts'

/** Separates a key's number from the id. */
const SEPARATOR = ':'
const SEPARATOR_BYTE = SEPARATOR.charCodeAt(0)
const ZERO = '0'.charCodeAt(0)
/** Room for the number of any key, and the separator. Bytes. */
const PREFIX = 11
const FIRST_BYTES = 256

/**
 * Reads the ids of events as numbers. An id counts within its key, so its number stands for the
 * text `<number of the key>:<id>`: one look-up finds both, and ids of any length are compared
 * exactly.
 */
export class EventIds {
  /** The number of the id that was read last; held by nobody. */
  number = 0
  readonly #read: Read<unknown>
  /** The field that is read, if it is a text in a column. */
  readonly #field: FieldRead<unknown> | null
  readonly #numbers: Dictionary
  #scratch = new Memory(new ArrayBuffer(FIRST_BYTES))

  constructor(read: Read<unknown>, numbers: Dictionary) {
    this.#read = read
    this.#field = read instanceof FieldRead && read.type === 'text' ? read : null
    this.#numbers = numbers
  }

  /** Reads the id of an event. Returns why it has none; `null`: it has one. */
  read({ events, keys }: Pick<Flow, 'events' | 'keys'>, index: number): TidemarkError | null {
    const key = keys[index] as number
    if (events instanceof ScannedEvents && this.#readScanned(key, events, index)) return null
    try {
      const id = this.#read.of(events, index)
      if (typeof id !== 'string' || id === '') return badId(id)
      this.number = numberOfId(this.#numbers, key, id)
      return null
    } catch (cause) {
      return threw(cause)
    }
  }

  /** Returns false if the id is not in a column: only the function can tell. */
  #readScanned(key: number, events: ScannedEvents, index: number): boolean {
    const cell = this.#field?.cellIn(events, index) ?? NO_CELL
    if (cell === NO_CELL) return false
    const from = events.columns.starts[cell] as number
    const length = (events.columns.ends[cell] as number) - from
    if (length === 0) return false
    const begin = this.#writePrefix(key, length)
    const id = (events.memoryOf(index) as Memory).bytes
    const { bytes } = this.#scratch
    for (let i = 0; i < length; i++) bytes[PREFIX + i] = id[from + i] as number
    this.number = this.#numbers.numberOfBytes(this.#scratch, begin, PREFIX + length)
    return true
  }

  /** Writes what comes before an id of so many bytes. @returns where it begins */
  #writePrefix(key: number, length: number): number {
    if (PREFIX + length > this.#scratch.bytes.length) {
      this.#scratch = new Memory(new ArrayBuffer((PREFIX + length) * 2))
    }
    const { bytes } = this.#scratch
    let at = PREFIX - 1
    bytes[at] = SEPARATOR_BYTE
    for (let left = key; ; left = Math.floor(left / 10)) {
      bytes[--at] = ZERO + (left % 10)
      if (left < 10) return at
    }
  }
}

/** The id that a number stands for, without its key. */
export function idOf(numbers: Dictionary, number: number): string {
  const text = numbers.cellOf(number) as string
  return text.slice(text.indexOf(SEPARATOR) + 1)
}

/** The number of a key's id. */
export function numberOfId(numbers: Dictionary, key: number, id: string): number {
  return numbers.numberOf(`${key}${SEPARATOR}${id}`)
}
