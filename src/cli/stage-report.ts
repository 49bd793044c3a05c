import { STAGES, type Stage } from '../kernel/stages.ts'
import { Durations, STATISTICS } from '../observe/durations.ts'
import { stageWatch } from '../observe/stage-watch.ts'
import type { Observer } from '../runtime/events.ts'
import { count } from './print.ts'
import { table } from './table.ts'

/** With fewer measurements of a stage, its p95 is meaningless. */
const LEAST_MEASUREMENTS = 20

/** Collects how long each stage took, over all topologies, to report at the end of a command. */
export class StageReport {
  readonly #durations = new Map<Stage, Durations>()

  readonly observer: Observer = stageWatch((stage, _, ms) => {
    const durations = this.#durations.get(stage) ?? new Durations()
    durations.add(ms)
    this.#durations.set(stage, durations)
  })

  /** Lines of a table, one row per stage; empty if there are too few measurements. */
  lines(): string[] {
    const stages = [...(Object.keys(STAGES) as Stage[])].flatMap((stage) => {
      const durations = this.#durations.get(stage)
      return durations === undefined ? [] : [{ stage, durations }]
    })
    if (stages.every(({ durations }) => durations.count < LEAST_MEASUREMENTS)) return []
    return table([
      ['ms', 'times', ...Object.keys(STATISTICS)],
      ...stages.map(({ stage, durations }) => [
        stage,
        count(durations.count),
        ...Object.values(STATISTICS).map((statistic) => shownMs(statistic(durations))),
      ]),
    ])
  }
}

/** A duration in ms with three significant digits, down to a microsecond. */
export function shownMs(ms: number): string {
  return ms >= 100 ? count(Math.round(ms)) : ms.toFixed(ms >= 10 ? 1 : ms >= 1 ? 2 : 3)
}
