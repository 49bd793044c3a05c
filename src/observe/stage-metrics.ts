import { STAGES, type Stage } from '../kernel/stages.ts'
import type { Observer } from '../runtime/events.ts'
import { Durations, STATISTICS } from './durations.ts'
import type { MetricMaker } from './metric-maker.ts'
import { stageWatch } from './stage-watch.ts'
import type { WatchedTopology } from './watched.ts'

/** Statistics are of the last one to two of them: a stall is forgotten again. */
const PERIOD_MS = 60_000

/** What is the whole worker's has an empty topology, which is no label to Prometheus. */
type Labels = Readonly<{ topology: string; stage: Stage }>

/** How long events are where on their way. */
export function stageMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const series = new Map(labelsOf(watched).map((labels) => [nameOf(labels), new Series(labels)]))
  make.durations('stage_duration_seconds', {
    help: 'Time in one stage: of one chunk, of one fetch, of one commit',
    read: () => series.values(),
  })
  make.gauge('stage_recent_seconds', {
    help: 'Time in one stage, of the last one to two minutes; NaN: there was none',
    labelNames: ['topology', 'stage', 'statistic'],
    collect() {
      for (const { labels, recent } of series.values()) {
        const durations = recent.take(performance.now())
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

/** Durations of this period and the one before. */
class RecentDurations {
  #now = new Durations()
  #before = new Durations()
  #sinceMs = 0

  add(ms: number, nowMs: number): void {
    this.#turn(nowMs)
    this.#now.add(ms)
  }

  take(nowMs: number): Durations {
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
