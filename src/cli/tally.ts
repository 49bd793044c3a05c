import type { Observer, Outcomes } from '../runtime/events.ts'
import { count } from './print.ts'

/** Counts what a worker takes in and what becomes of it. */
export class Tally {
  readonly #outcomes: { -readonly [K in keyof Outcomes]: Outcomes[K] } = {
    scored: 0,
    skipped: 0,
    late: 0,
    dead: 0,
  }
  #consumed = 0

  readonly observer: Observer = (event) => {
    if (event.type === 'consumed') this.#consumed += event.records
    if (event.type !== 'processed') return
    this.#outcomes.scored += event.outcomes.scored
    this.#outcomes.skipped += event.outcomes.skipped
    this.#outcomes.late += event.outcomes.late
    this.#outcomes.dead += event.outcomes.dead
  }

  /** `5,000 in = 4,990 scored + 0 skipped + 5 late + 5 dead` */
  summary(): string {
    const parts = Object.entries(this.#outcomes).map(([name, n]) => `${count(n)} ${name}`)
    return `${count(this.#consumed)} in = ${parts.join(' + ')}`
  }
}
