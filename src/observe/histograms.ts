import { createHistogram } from 'node:perf_hooks'
import { STAGES, type Stage } from '../kernel/stages.ts'
import type { EventOf, Handlers, WatchedTopology } from './observer.ts'

// Histograms of numbers that each row gives, or a chunk several times: looking up labels in a
// registry of metrics each time would cost too much.

/** Numbers counted by the first bound that is not below them, in memory that does not grow. */
class Counts<L> {
  readonly labels: L
  readonly #bounds: readonly number[]
  /** The last one is of the numbers above all bounds. */
  readonly #counts: Float64Array
  sum = 0

  constructor(labels: L, bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  /** How many are not above each bound. */
  get buckets(): (readonly [bound: number, count: number])[] {
    let count = 0
    return this.#bounds.map((bound, at) => {
      count += this.#counts[at] as number
      return [bound, count] as const
    })
  }

  add(number: number): void {
    let at = 0
    while (at < this.#bounds.length && number > (this.#bounds[at] as number)) at++
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.sum += number
  }
}

/** In seconds, from 128 µs to 8.4 s, each twice the one before. */
const TIMES = Array.from({ length: 17 }, (_, i) => 2 ** (i + 7) / 1e6)

const PERIOD_MS = 60_000
/** Quantiles are off by 1 % at most. */
const RECENT_US = { highest: 24 * 3_600e6, figures: 2 }

/** Durations of the last one to two periods, so that a stall does not show for ever. */
class RecentDurations {
  #now = createHistogram(RECENT_US)
  #before = createHistogram(RECENT_US)
  #sinceMs = 0

  add(ms: number, nowMs: number): void {
    this.#turn(nowMs)
    this.#now.record(Math.min(Math.max(Math.round(ms * 1_000), 1), RECENT_US.highest))
  }

  /** Seconds by statistic; NaN when there are none. */
  statistics(nowMs: number): [statistic: string, seconds: number][] {
    this.#turn(nowMs)
    const all = createHistogram(RECENT_US)
    all.add(this.#before)
    all.add(this.#now)
    const us = {
      mean: all.mean,
      p50: all.percentile(50),
      p95: all.percentile(95),
      p99: all.percentile(99),
      max: all.max,
    }
    const unit = all.count === 0 ? Number.NaN : 1e6
    return Object.entries(us).map(([name, value]) => [name, value / unit])
  }

  #turn(nowMs: number): void {
    const periods = Math.floor((nowMs - this.#sinceMs) / PERIOD_MS)
    if (periods === 0) return
    this.#before = periods === 1 ? this.#now : createHistogram(RECENT_US)
    this.#now = createHistogram(RECENT_US)
    this.#sinceMs += periods * PERIOD_MS
  }
}

/** A stage of a topology, which is empty for a stage of the whole worker. */
interface TimedStage {
  readonly durations: Counts<{ readonly topology: string; readonly stage: Stage }>
  readonly recent: RecentDurations
}

export class StageTimers {
  readonly #byName: ReadonlyMap<string, TimedStage>

  constructor(watched: readonly WatchedTopology[]) {
    const stages = Object.entries(STAGES).flatMap(([name, scope]) => {
      const topologies = scope === 'worker' ? [''] : watched.map(({ topology }) => topology)
      return topologies.map((topology) => ({ topology, stage: name as Stage }))
    })
    this.#byName = new Map(
      stages.map((labels) => [
        `${labels.stage} ${labels.topology}`,
        { durations: new Counts(labels, TIMES), recent: new RecentDurations() },
      ]),
    )
  }

  get stages(): TimedStage[] {
    return [...this.#byName.values()]
  }

  get series() {
    return this.stages.map(({ durations }) => durations)
  }

  /** @param topology empty for a stage of the whole worker */
  add(stage: Stage, topology: string, ms: number): void {
    const timed = this.#byName.get(`${stage} ${topology}`)
    if (timed === undefined) return
    timed.durations.add(ms / 1_000)
    timed.recent.add(ms, performance.now())
  }
}

/** Bounds for probabilities: close to each end a model is most sure. */
const SCORES = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]

type ModelLabels = Readonly<Record<'topology' | 'model' | 'version', string>>

export class PublishedScores {
  readonly #byModel = new Map<string, Counts<ModelLabels>>()

  constructor(watched: readonly WatchedTopology[]) {
    for (const { topology, models, routes } of watched) {
      for (const { model, version } of [...models, ...routes]) {
        this.#countsOf({ topology, model, version })
      }
    }
  }

  get series() {
    return [...this.#byModel.values()]
  }

  readonly handlers: Handlers = { scored: (event) => this.#add(event) }

  #add({ topology, scores, decided, models }: EventOf<'scored'>): void {
    const by = models.map(({ model, version }) => this.#countsOf({ topology, model, version }))
    for (let row = 0; row < scores.length; row++) {
      const score = scores[row] as number
      if (!Number.isNaN(score)) by[decided[row] as number]?.add(score)
    }
  }

  #countsOf(labels: ModelLabels): Counts<ModelLabels> {
    const key = `${labels.topology}\n${labels.model}\n${labels.version}`
    const scores = this.#byModel.get(key) ?? new Counts(labels, SCORES)
    this.#byModel.set(key, scores)
    return scores
  }
}
