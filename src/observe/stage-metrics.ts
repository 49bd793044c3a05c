import { STAGES, type Stage } from '../kernel/stages.ts'
import type { Observer } from '../runtime/events.ts'
import { Durations, STATISTICS } from './durations.ts'
import type { MetricMaker } from './metric-maker.ts'
import { stageWatch } from './stage-watch.ts'
import type { WatchedTopology } from './watched.ts'

/**
 * Length of a period, ms. Statistics cover the last one to two periods, so that a stall does not
 * show for ever.
 */
const PERIOD_MS = 60_000

/** Stages of the whole worker have an empty topology, which Prometheus treats as no label. */
type Labels = Readonly<{ topology: string; stage: Stage }>

/** Metrics of how long events spend in each stage. */
export function stageMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const series = new Map(labelsOf(watched).map((labels) => [nameOf(labels), new Series(labels)]))
  make.durations('stage_duration_seconds', {
    help: 'Time in one stage: of one chunk, of one fetch, of one commit',
    read: () => series.values(),
  })
  make.gauge('stage_recent_seconds', {
    help: 'Time in one stage over the last one to two minutes; NaN: nothing was timed',
    labelNames: ['topology', 'stage', 'statistic'],
    collect() {
      for (const { labels, recent } of series.values()) {
        const durations = recent.total(performance.now())
        for (const [statistic, of] of Object.entries(STATISTICS)) {
          this.set({ ...labels, statistic }, of(durations) / 1_000)
        }
      }
    },
  })
  return stageWatch((stage, topology, ms) => {
    const of = series.get(nameOf({ topology: topology ?? '', stage }))
    if (of === undefined) return
    of.durations.add(ms)
    of.recent.add(ms, performance.now())
  })
}

class Series {
  readonly labels: Labels
  /** Since the start. */
  readonly durations = new Durations()
  readonly recent = new RecentDurations()

  constructor(labels: Labels) {
    this.labels = labels
  }
}

/** Durations of the current period and the one before. */
class RecentDurations {
  #now = new Durations()
  #before = new Durations()
  #sinceMs = 0

  add(ms: number, nowMs: number): void {
    this.#turn(nowMs)
    this.#now.add(ms)
  }

  total(nowMs: number): Durations {
    this.#turn(nowMs)
    return new Durations().addAll(this.#before).addAll(this.#now)
  }

  #turn(nowMs: number): void {
    const periods = Math.floor((nowMs - this.#sinceMs) / PERIOD_MS)
    if (periods === 0) return
    this.#before = periods === 1 ? this.#now : new Durations()
    this.#now = new Durations()
    this.#sinceMs += periods * PERIOD_MS
  }
}

function labelsOf(watched: readonly WatchedTopology[]): Labels[] {
  return Object.entries(STAGES).flatMap(([name, { of }]): Labels[] => {
    const stage = name as Stage
    const topologies = of === 'worker' ? [''] : watched.map(({ topology }) => topology)
    return topologies.map((topology) => ({ topology, stage }))
  })
}

function nameOf({ topology, stage }: Labels): string {
  return `${stage} ${topology}`
}
