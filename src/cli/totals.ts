import { STAGES, type Stage } from '../kernel/stages.ts'
import { Durations, STATISTICS, stageWatch } from '../observe/histograms.ts'
import type { Observer, Outcomes } from '../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../runtime/outcomes.ts'
import { grouped, plural, shownMs, table } from './print.ts'

const OF_SOME_TOPOLOGIES: readonly string[] = ['windowed', 'duplicate'] satisfies (keyof Outcomes)[]

/** Counts the records that a worker consumes, by outcome. */
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

/** With fewer measurements of a stage, its p95 is meaningless. */
const LEAST_MEASUREMENTS = 20

/** How long each chunk, fetch and commit took in each stage. */
export class StageReport {
  readonly #durations = new Map<Stage, Durations>()

  readonly observer: Observer = stageWatch((stage, _, ms) => {
    const durations = this.#durations.get(stage) ?? new Durations()
    this.#durations.set(stage, durations)
    durations.add(ms)
  })

  /** Lines of a table, one row per stage; empty if there are too few measurements. */
  lines(): string[] {
    const stages = (Object.keys(STAGES) as Stage[]).flatMap((stage) => {
      const durations = this.#durations.get(stage)
      return durations === undefined ? [] : [{ stage, durations }]
    })
    if (stages.every(({ durations }) => durations.count < LEAST_MEASUREMENTS)) return []
    return table([
      ['ms', 'times', ...Object.keys(STATISTICS)],
      ...stages.map(({ stage, durations }) => [
        stage,
        grouped(durations.count),
        ...Object.values(STATISTICS).map((statistic) => shownMs(statistic(durations))),
      ]),
    ])
  }
}
