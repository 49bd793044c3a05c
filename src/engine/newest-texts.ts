import type { EventBuffer } from './event-buffer.ts'
import type { Layout } from './layout.ts'

/** Knows when texts have occurred. */
interface Occurrences {
  /** The newest time of a text in `distinct[d]`; −Infinity if there is none. */
  latestOf(d: number, text: number): number
}

/**
 * The different texts of a long history's newest events, those of its buffer: for each of
 * `distinct`, when every text had last occurred before the buffer, in no order. So a window that
 * covers the whole buffer need not look up each of them for every event.
 */
export class NewestTexts {
  readonly #layout: Layout
  readonly #older: Occurrences
  readonly #times: number[][]

  constructor(layout: Layout, older: Occurrences, buffer: EventBuffer) {
    this.#layout = layout
    this.#older = older
    this.#times = layout.distinct.map(() => [])
    this.reset(buffer)
  }

  /**
   * Starts again: the buffer holds other events, or the occurrences before the buffer have changed.
   */
  reset(buffer: EventBuffer): void {
    const { distinct, marks } = this.#layout
    for (let d = 0; d < distinct.length; d++) {
      const times = this.#times[d] as number[]
      times.length = 0
      marks.begin()
      const column = buffer.column(distinct[d] as number)
      for (let i = column + buffer.start; i < column + buffer.end; i++) {
        const text = buffer.data[i] as number
        if (marks.isNew(text)) times.push(this.#older.latestOf(d, text))
      }
    }
  }

  /** Notes that an event has entered the buffer, at an index. */
  entered(buffer: EventBuffer, at: number): void {
    const { distinct } = this.#layout
    for (let d = 0; d < distinct.length; d++) {
      const column = buffer.column(distinct[d] as number)
      const text = buffer.data[column + at] as number
      let i = buffer.start
      while (i < buffer.end && (i === at || buffer.data[column + i] !== text)) i++
      if (i === buffer.end) this.#times[d]?.push(this.#older.latestOf(d, text))
    }
  }

  /** Number of texts that have not occurred between a time and the buffer's events. */
  countUpTo(d: number, timeMs: number): number {
    const times = this.#times[d] as number[]
    let count = 0
    for (let i = 0; i < times.length; i++) if ((times[i] as number) <= timeMs) count++
    return count
  }
}
