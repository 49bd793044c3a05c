import type { Observer, Outcomes } from '../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../runtime/output/outcomes.ts'
import { grouped, plural } from './print.ts'

const OF_SOME_TOPOLOGIES: readonly string[] = ['windowed', 'duplicate'] satisfies (keyof Outcomes)[]

export class OutcomeTally {
  #outcomes = NO_OUTCOMES
  #records = 0
  #closed = 0

  readonly observer: Observer = (event) => {
    if (event.type === 'consumed') this.#records += event.records
    if (event.type !== 'processed') return
    for (const windows of event.closed.values()) this.#closed += windows
    this.#outcomes = addOutcomes(this.#outcomes, event.outcomes)
  }

  get outcomes(): Outcomes {
    return this.#outcomes
  }

  get records(): number {
    return this.#records
  }

  /** `5,000 in = 4,990 scored + 0 skipped + 5 late + 5 dead; 7 windows closed` */
  summary(): string {
    const parts = Object.entries(this.#outcomes)
      .filter(([name, n]) => n > 0 || !OF_SOME_TOPOLOGIES.includes(name))
      .map(([name, n]) => `${grouped(n)} ${name}`)
    const sum = `${grouped(this.#records)} in = ${parts.join(' + ')}`
    return this.#closed === 0 ? sum : `${sum}; ${plural(this.#closed, 'window')} closed`
  }
}
