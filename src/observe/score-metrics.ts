import type { Observer } from '../runtime/events.ts'
import { byType } from './by-type.ts'
import type { MetricMaker } from './metric-maker.ts'
import type { WatchedTopology } from './watched.ts'

/** For probabilities: close to each end a model is most sure. */
const BOUNDS = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]

interface OfModel {
  readonly topology: string
  readonly model: string
  readonly version: string
}

/** Metrics of what score steps have decided, and of the scores. */
export function scoreMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const attempts = make.counter('scores_total', {
    help: 'Rows that were given to a model, by why and by what became of them',
    labelNames: ['topology', 'model', 'version', 'route', 'outcome'],
    known: watched.flatMap(({ topology, routes }) =>
      routes.flatMap(({ outcomes, ...route }) =>
        outcomes.map((outcome) => ({ topology, ...route, outcome })),
      ),
    ),
  })
  const all = new Map<string, Scores>()
  const scoresOf = (of: OfModel): Scores => {
    const key = JSON.stringify(of)
    const known = all.get(key)
    if (known !== undefined) return known
    const scores = new Scores(of)
    all.set(key, scores)
    return scores
  }
  // Found once for each array: partitions tell of every chunk.
  const byModels = new WeakMap<readonly unknown[], readonly Scores[]>()
  for (const { topology, models } of watched) {
    for (const { model, version } of models) scoresOf({ topology, model, version })
  }
  make.counted('score', {
    help: 'Scores that were published, of the first output',
    read: () => [...all.values()].map((scores) => scores.counted),
  })
  return byType({
    scored: ({ topology, attempts: given, scores: column, decided, models }) => {
      for (const { rows, ...labels } of given) attempts.inc({ topology, ...labels }, rows)
      let by = byModels.get(models)
      if (by === undefined) {
        by = models.map((model) => scoresOf({ topology, ...model }))
        byModels.set(models, by)
      }
      for (let row = 0; row < column.length; row++) {
        const score = column[row] as number
        if (!Number.isNaN(score)) by[decided === null ? 0 : (decided[row] as number)]?.add(score)
      }
    },
  })
}

/** The scores of one model, counted by size. */
class Scores {
  readonly #of: OfModel
  /** By the first bound that is not below; the last count is of those above all. */
  readonly #counts = new Float64Array(BOUNDS.length + 1)
  #sum = 0

  constructor(of: OfModel) {
    this.#of = of
  }

  add(score: number): void {
    let at = 0
    while (at < BOUNDS.length && score > (BOUNDS[at] as number)) at++
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#sum += score
  }

  get counted() {
    let count = 0
    const buckets = BOUNDS.map((bound, at) => {
      count += this.#counts[at] as number
      return [bound, count] as const
    })
    count += this.#counts[BOUNDS.length] as number
    return { labels: this.#of, buckets, sum: this.#sum, count }
  }
}
