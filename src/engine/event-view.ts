import type { Events, Reader } from '../columns/events.ts'

/**
 * Some fields of one event, for an author's function that reads no others. It is the same object
 * for every event: it reads the one that it was moved to last, from its columns where it has them.
 */
export class EventView {
  /** What the function gets. */
  readonly event: object = {}
  #events: Events = []
  #index = 0

  constructor(fields: readonly string[], reader: Reader) {
    for (const name of fields) {
      const read = reader.field(name)
      const get = () => read.of(this.#events, this.#index)
      Object.defineProperty(this.event, name, { enumerable: true, get })
    }
  }

  /** Moves to an event. */
  move(events: Events, index: number): void {
    this.#events = events
    this.#index = index
  }
}
