import type { Memory } from '../kernel/bytes.ts'
import { PRESENT } from '../plan/columns.ts'
import type { Events } from '../plan/events.ts'
import type { FieldRead, ScannedEvents } from '../plan/scanned-events.ts'
import type { Dictionary } from './dictionary.ts'

/** A field that fills a column of a history. */
export interface FieldColumn {
  readonly field: FieldRead<unknown>
  /** For text columns; `null`: another type. */
  readonly dictionary: Dictionary | null
}

/**
 * The column values of a chunk's events, read column by column before the first event enters a
 * window. The processor can then fetch the memory for one text while it works on the next, and each
 * loop does one thing.
 *
 * Only scanned events are read this way, and only those with a value that a window can hold in
 * every column.
 */
export class CellsAhead {
  readonly #columns: readonly FieldColumn[]
  readonly #isHeld: (number: number) => boolean
  /** The events whose numbers these are; `null`: none. */
  #events: ScannedEvents | null = null
  /** By index: has the event been read? */
  #isRead = new Uint8Array(0)
  /** Column by column. */
  #numbers = new Float64Array(0)

  constructor(columns: readonly FieldColumn[], isHeld: (number: number) => boolean) {
    this.#columns = columns
    this.#isHeld = isHeld
  }

  /**
   * Reads those of these events that it can. Numbers of texts stay valid until their dictionaries
   * are settled.
   */
  read(events: ScannedEvents, indices: readonly number[]): void {
    const { count } = events
    if (this.#isRead.length < count) {
      this.#isRead = new Uint8Array(count)
      this.#numbers = new Float64Array(count * this.#columns.length)
    }
    this.#events = events
    this.#isRead.fill(0)
    for (const index of indices) this.#isRead[index] = events.memoryOf(index) === null ? 0 : 1
    for (const [c, { field, dictionary }] of this.#columns.entries()) {
      const cells = field.column * events.columns.capacity
      if (dictionary === null) this.#readNumbers(c, cells, indices)
      else this.#readTexts(c, { cells, dictionary }, indices)
    }
  }

  /** Has the event been read? */
  has(events: Events, index: number): boolean {
    return events === this.#events && this.#isRead[index] === 1
  }

  /**
   * Copies the numbers of an event that has been read; its texts are held in the dictionaries from
   * now on.
   */
  hold(index: number, into: Float64Array): void {
    const capacity = this.#isRead.length
    for (let c = 0; c < this.#columns.length; c++) {
      const number = this.#numbers[c * capacity + index] as number
      into[c] = number
      this.#columns[c]?.dictionary?.hold(number)
    }
  }

  /** Forgets the events. */
  forget(): void {
    this.#events = null
  }

  #readNumbers(c: number, cells: number, indices: readonly number[]): void {
    const { states, numbers } = (this.#events as ScannedEvents).columns
    const [isRead, own, base] = [this.#isRead, this.#numbers, c * this.#isRead.length]
    for (const index of indices) {
      const number = numbers[cells + index] as number
      own[base + index] = number
      if (states[cells + index] !== PRESENT || !this.#isHeld(number)) isRead[index] = 0
    }
  }

  #readTexts(
    c: number,
    { cells, dictionary }: { readonly cells: number; readonly dictionary: Dictionary },
    indices: readonly number[],
  ): void {
    const events = this.#events as ScannedEvents
    const { states, starts, ends } = events.columns
    const [isRead, own, base] = [this.#isRead, this.#numbers, c * this.#isRead.length]
    for (const index of indices) {
      if (isRead[index] === 0) continue
      if (states[cells + index] !== PRESENT) {
        isRead[index] = 0
        continue
      }
      const memory = events.memoryOf(index) as Memory
      const from = starts[cells + index] as number
      own[base + index] = dictionary.numberOfBytes(memory, from, ends[cells + index] as number)
    }
  }
}
