import { STAGES, type Stage } from '../kernel/stages.ts'
import { Durations, STATISTICS } from '../observe/durations.ts'
import { stageWatch } from '../observe/stage-watch.ts'
import type { Observer } from '../runtime/events.ts'
import { count } from './print.ts'
import { table } from './table.ts'

/** With fewer times of a stage a p95 is only one of them. */
const WORTH_TELLING = 20

/** Keeps how long each stage took, of all topologies together, for the end of a command. */
export class StageReport {
  readonly #durations = new Map<Stage, Durations>()

  readonly observer: Observer = stageWatch((stage, _, ms) => {
    const durations = this.#durations.get(stage) ?? new Durations()
    durations.add(ms)
    this.#durations.set(stage, durations)
  })

  /** Lines of a table, by stage; none when so little was done that it says nothing. */
  lines(): string[] {
    const stages = [...(Object.keys(STAGES) as Stage[])].flatMap((stage) => {
      const durations = this.#durations.get(stage)
      return durations === undefined ? [] : [{ stage, durations }]
    })
    if (stages.every(({ durations }) => durations.count < WORTH_TELLING)) return []
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

/** With three digits that count, from a microsecond on. */
export function shownMs(ms: number): string {
  return ms >= 100 ? count(Math.round(ms)) : ms.toFixed(ms >= 10 ? 1 : ms >= 1 ? 2 : 3)
}
