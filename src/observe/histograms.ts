import { STAGES, type Stage } from '../kernel/stages.ts'
import type { Observer } from '../runtime/events.ts'
import type { EventOf, WatchedTopology } from './observer.ts'

// Histograms of what happens for each row, or several times a chunk: looking up labels in a
// registry of metrics each time would cost too much.

/** Buckets for each doubling of time, so that a quantile is off by 2 % at most. */
const PARTS = 16
const SHORTEST_MS = 1e-3
/** Number of doublings, starting at a microsecond: up to 19 hours. */
const DOUBLINGS = 36
const BOUNDS = Array.from({ length: 17 }, (_, i) => i + 7)

export const STATISTICS = {
  mean: (of) => of.meanMs,
  p50: (of) => of.quantileMs(0.5),
  p95: (of) => of.quantileMs(0.95),
  p99: (of) => of.quantileMs(0.99),
  max: (of) => of.quantileMs(1),
} as const satisfies Readonly<Record<string, (of: Durations) => number>>

/** A histogram of durations: counts by the logarithm of the time, in memory that does not grow. */
export class Durations {
  readonly #counts = new Float64Array(PARTS * DOUBLINGS)
  #count = 0
  #sumMs = 0
  #maxMs = 0

  /** NaN when there are none. */
  get meanMs(): number {
    return this.#sumMs / this.#count
  }

  add(ms: number): void {
    const part = Math.floor(Math.log2(Math.max(ms, SHORTEST_MS) / SHORTEST_MS) * PARTS)
    const at = Math.min(part, this.#counts.length - 1)
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#count++
    this.#sumMs += ms
    this.#maxMs = Math.max(this.#maxMs, ms)
  }

  addAll(other: Durations): this {
    for (const [at, more] of other.#counts.entries()) {
      this.#counts[at] = (this.#counts[at] as number) + more
    }
    this.#count += other.#count
    this.#sumMs += other.#sumMs
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs)
    return this
  }

  /** Counts by upper bounds in seconds: from 128 µs to 8.4 s, each twice the one before. */
  inSeconds() {
    let [count, at] = [0, 0]
    const buckets = BOUNDS.map((powerOfTwo) => {
      for (; at < powerOfTwo * PARTS; at++) count += this.#counts[at] as number
      return [2 ** powerOfTwo / 1e6, count] as const
    })
    return { buckets, sum: this.#sumMs / 1_000, count: this.#count }
  }

  /** A quantile by nearest rank; a share of 1 is the longest, exactly. NaN when there are none. */
  quantileMs(share: number): number {
    if (this.#count === 0) return Number.NaN
    let left = Math.max(1, Math.ceil(share * this.#count))
    if (left >= this.#count) return this.#maxMs
    const at = this.#counts.findIndex((count) => {
      left -= count
      return left <= 0
    })
    return Math.min(SHORTEST_MS * 2 ** ((at + 0.5) / PARTS), this.#maxMs)
  }
}

const PERIOD_MS = 60_000

/** Durations of the last one to two periods, so that a stall does not show for ever. */
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

/** A stage of a topology, which is empty for a stage of the whole worker. */
interface TimedStage {
  readonly labels: { readonly topology: string; readonly stage: Stage }
  readonly durations: Durations
  readonly recent: RecentDurations
}

export class StageTimers {
  readonly #byName: ReadonlyMap<string, TimedStage>

  constructor(watched: readonly WatchedTopology[]) {
    const stages = Object.entries(STAGES).flatMap(([name, { of }]) => {
      const topologies = of === 'worker' ? [''] : watched.map(({ topology }) => topology)
      return topologies.map((topology) => ({ topology, stage: name as Stage }))
    })
    this.#byName = new Map(
      stages.map((labels) => [
        `${labels.stage} ${labels.topology}`,
        { labels, durations: new Durations(), recent: new RecentDurations() },
      ]),
    )
  }

  get stages(): TimedStage[] {
    return [...this.#byName.values()]
  }

  readonly observer: Observer = (event) => {
    if (event.type === 'fetched') this.#add('fetch', '', event.durationMs)
    else if (event.type === 'committed') this.#add('commit', '', event.durationMs)
    else if (event.type === 'processed') {
      const { stages, topology } = event
      for (const stage in stages) {
        const ms = stages[stage as keyof typeof stages]
        if (ms !== undefined) this.#add(stage as Stage, topology, ms)
      }
    }
  }

  #add(stage: Stage, topology: string, ms: number): void {
    const timed = this.#byName.get(`${stage} ${topology}`)
    if (timed === undefined) return
    timed.durations.add(ms)
    timed.recent.add(ms, performance.now())
  }
}

/** Bounds for probabilities: close to each end a model is most sure. */
const SCORES = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]

type ModelLabels = Readonly<Record<'topology' | 'model' | 'version', string>>

class ScoreCounts {
  readonly labels: ModelLabels
  /** By the first bound that is not below; the last count is of those above all. */
  readonly #counts = new Float64Array(SCORES.length + 1)
  sum = 0

  constructor(labels: ModelLabels) {
    this.labels = labels
  }

  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  get buckets(): (readonly [bound: number, count: number])[] {
    let count = 0
    return SCORES.map((bound, at) => {
      count += this.#counts[at] as number
      return [bound, count] as const
    })
  }

  add(score: number): void {
    let at = 0
    while (at < SCORES.length && score > (SCORES[at] as number)) at++
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.sum += score
  }
}

export class PublishedScores {
  readonly #byModel = new Map<string, ScoreCounts>()
  /** Found once for each array, because an event comes with every chunk. */
  readonly #byModels = new WeakMap<readonly unknown[], readonly ScoreCounts[]>()

  constructor(watched: readonly WatchedTopology[]) {
    for (const { topology, models } of watched) {
      for (const { model, version } of models) this.#of({ topology, model, version })
    }
  }

  get models(): ScoreCounts[] {
    return [...this.#byModel.values()]
  }

  add({ topology, scores, decided, models }: EventOf<'scored'>): void {
    let by = this.#byModels.get(models)
    if (by === undefined) {
      by = models.map((model) => this.#of({ topology, ...model }))
      this.#byModels.set(models, by)
    }
    for (let row = 0; row < scores.length; row++) {
      const score = scores[row] as number
      if (!Number.isNaN(score)) by[decided === null ? 0 : (decided[row] as number)]?.add(score)
    }
  }

  #of(labels: ModelLabels): ScoreCounts {
    const key = JSON.stringify(labels)
    const scores = this.#byModel.get(key) ?? new ScoreCounts(labels)
    this.#byModel.set(key, scores)
    return scores
  }
}
