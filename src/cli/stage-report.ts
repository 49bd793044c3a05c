import { STAGES, type Stage } from '../kernel/stages.ts'
import { Durations, type DurationsData, STATISTICS, stageWatch } from '../observe/histograms.ts'
import type { Observer } from '../runtime/events.ts'
import { count, say } from './print.ts'
import { table } from './table.ts'

/** With fewer measurements of a stage, its p95 is meaningless. */
const LEAST_MEASUREMENTS = 20

/** What a {@link StageReport} has collected, as plain data. */
export type StageDurations = readonly (readonly [Stage, DurationsData])[]

/** Collects how long each stage took, over all topologies, to report at the end of a command. */
export class StageReport {
  readonly #durations = new Map<Stage, Durations>()

  readonly observer: Observer = stageWatch((stage, _, ms) => this.#of(stage).add(ms))

  /** What it has collected, which the report of another process can add to its own. */
  data(): StageDurations {
    return [...this.#durations].map(([stage, durations]) => [stage, durations.data()])
  }

  /** Adds what another one has collected. */
  addAll(others: StageDurations): void {
    for (const [stage, durations] of others) this.#of(stage).addAll(durations)
  }

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

  /** Prints the table. */
  print(): void {
    for (const line of this.lines()) say(line)
  }

  #of(stage: Stage): Durations {
    const durations = this.#durations.get(stage) ?? new Durations()
    this.#durations.set(stage, durations)
    return durations
  }
}

/** A duration in ms with three significant digits, down to a microsecond. */
export function shownMs(ms: number): string {
  return ms >= 100 ? count(Math.round(ms)) : ms.toFixed(ms >= 10 ? 1 : ms >= 1 ? 2 : 3)
}
