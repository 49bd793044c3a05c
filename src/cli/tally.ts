import type { Observer } from '../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../runtime/outcomes.ts'
import { count } from './print.ts'

/** Counts what a worker takes in and what becomes of it. */
export class Tally {
  #outcomes = NO_OUTCOMES
  #consumed = 0

  readonly observer: Observer = (event) => {
    if (event.type === 'consumed') this.#consumed += event.records
    if (event.type !== 'processed') return
    this.#outcomes = addOutcomes(this.#outcomes, event.outcomes)
  }

  /** `5,000 in = 4,990 scored + 0 skipped + 5 late + 5 dead` */
  summary(): string {
    const parts = Object.entries(this.#outcomes).map(([name, n]) => `${count(n)} ${name}`)
    return `${count(this.#consumed)} in = ${parts.join(' + ')}`
  }
}
