import { grouped, plural } from '../kernel/wording.ts'
import type { Observer, Outcomes } from '../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../runtime/output/outcomes.ts'
import { type JobReport, noteShare } from './report.ts'

/** Outcomes that are counted only in topologies with such a step. */
const OPTIONAL_OUTCOMES: readonly string[] = ['windowed', 'duplicate'] satisfies (keyof Outcomes)[]

/** More than this share of dead letters is told, percent. */
export const MANY_DEAD = 1

export class OutcomeTally {
  outcomes = NO_OUTCOMES
  records = 0
  dead = 0
  #closed = 0

  readonly observer: Observer = (event) => {
    if (event.type === 'consumed') this.records += event.records
    if (event.type === 'dead-letter') this.dead++
    if (event.type !== 'processed') return
    for (const windows of event.closed.values()) this.#closed += windows
    this.outcomes = addOutcomes(this.outcomes, event.outcomes)
  }

  report(report: JobReport): void {
    report.say(this.summary())
    const percent = (100 * this.dead) / this.records
    noteShare(report, { percent, most: MANY_DEAD }, 'of the records are dead letters')
  }

  summary(): string {
    const sum = summaryOfOutcomes(this.records, this.outcomes)
    return this.#closed === 0 ? sum : `${sum}; ${plural(this.#closed, 'window')} closed`
  }
}

/** `5,000 in = 4,990 scored + 0 skipped + 5 late + 5 dead` */
export function summaryOfOutcomes(records: number, outcomes: Outcomes): string {
  const parts = Object.entries(outcomes)
    .filter(([name, n]) => n > 0 || !OPTIONAL_OUTCOMES.includes(name))
    .map(([name, n]) => `${grouped(n)} ${name}`)
  return `${grouped(records)} in = ${parts.join(' + ')}`
}
