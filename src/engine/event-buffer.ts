import { atOf, type Slabs } from './slabs.ts'

/**
 * A few events sorted by (event time, arrival), as columns in one slab. Column 0 is the event time.
 */
export class EventBuffer {
  /** Column c of event i is at `column(c) + i`. Live events are start ≤ i < end. */
  data: Float64Array
  capacity: number
  start = 0
  end = 0
  /** The place of its slab. */
  protected place: number
  /** Offset in `data` of its first number. */
  protected base: number

  constructor(slabs: Slabs, place: number, capacity: number) {
    this.data = slabs.pageOf(place)
    this.place = place
    this.base = atOf(place)
    this.capacity = capacity
  }

  /** Offset in `data` of a column. */
  column(c: number): number {
    return this.base + c * this.capacity
  }

  /** Event time of an event, ms since the epoch. */
  timeAt(index: number): number {
    return this.data[this.base + index] as number
  }

  /** The index after the last live event with time ≤ `timeMs`. */
  after(timeMs: number): number {
    let low = this.start
    let high = this.end
    // In most cases the event is the newest one of its key, and nothing has to be pruned.
    if (low === high || this.timeAt(low) > timeMs) return low
    if (this.timeAt(high - 1) <= timeMs) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.timeAt(middle) <= timeMs) low = middle + 1
      else high = middle
    }
    return low
  }

  /**
   * Inserts an event at an index; there must be room. `cells`: its columns after the time;
   * `columns` counts all columns, the time included.
   */
  protected enter(at: number, timeMs: number, cells: ArrayLike<number>, columns: number): void {
    if (at < this.end) {
      for (let c = 0; c < columns; c++) {
        const column = this.column(c)
        this.data.copyWithin(column + at + 1, column + at, column + this.end)
      }
    }
    this.data[this.base + at] = timeMs
    for (let c = 1; c < columns; c++) this.data[this.column(c) + at] = cells[c - 1] as number
    this.end++
  }
}
