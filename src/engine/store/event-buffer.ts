import { atOf, type Slabs } from './slabs.ts'

/** A few events sorted by (event time, arrival), as columns in a slab. Column 0 is the time. */
export class EventBuffer {
  /** Column c of event i is at `column(c) + i`, for start ≤ i < end. */
  data: Float64Array
  capacity: number
  start = 0
  end = 0
  protected place: number
  protected base: number

  constructor(slabs: Slabs, place: number, capacity: number) {
    this.data = slabs.pageOf(place)
    this.place = place
    this.base = atOf(place)
    this.capacity = capacity
  }

  column(c: number): number {
    return this.base + c * this.capacity
  }

  timeAt(index: number): number {
    return this.data[this.base + index] as number
  }

  /** The index after the last event with time ≤ `timeMs`. */
  after(timeMs: number): number {
    let low = this.start
    let high = this.end
    // Most events are the newest of their key and nothing has to be pruned.
    if (low === high || this.timeAt(low) > timeMs) return low
    if (this.timeAt(high - 1) <= timeMs) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.timeAt(middle) <= timeMs) low = middle + 1
      else high = middle
    }
    return low
  }

  /** There must be room. @param cells its columns after the time @param columns counts the time */
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
