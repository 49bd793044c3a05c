import type { Observer, Outcomes } from '../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../runtime/outcomes.ts'
import { count, plural } from './print.ts'

/** Outcomes that only topologies with such a step have. */
const OF_SOME_TOPOLOGIES: readonly string[] = ['windowed', 'duplicate'] satisfies (keyof Outcomes)[]

/** Counts the records that a worker consumes, by outcome. */
export class Tally {
  #outcomes = NO_OUTCOMES
  #consumed = 0
  #closed = 0

  readonly observer: Observer = (event) => {
    if (event.type === 'consumed') this.#consumed += event.records
    if (event.type !== 'processed') return
    for (const windows of event.closed.values()) this.#closed += windows
    this.#outcomes = addOutcomes(this.#outcomes, event.outcomes)
  }

  /**
   * `5,000 in = 4,990 scored + 0 skipped + 5 late + 5 dead`, with the number of closed windows if
   * there are any.
   */
  summary(): string {
    const parts = Object.entries(this.#outcomes)
      .filter(([name, n]) => n > 0 || !OF_SOME_TOPOLOGIES.includes(name))
      .map(([name, n]) => `${count(n)} ${name}`)
    const sum = `${count(this.#consumed)} in = ${parts.join(' + ')}`
    return this.#closed === 0 ? sum : `${sum}; ${plural(this.#closed, 'window')} closed`
  }
}
