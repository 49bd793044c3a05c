import { EventColumns } from '../../src/engine/store/event-columns.ts'
import { Histories } from '../../src/engine/store/histories.ts'
import type { History } from '../../src/engine/store/history.ts'
import type { HistorySizes } from '../../src/engine/store/layout.ts'
import { type WindowFeature, WindowWalk } from '../../src/engine/store/window-walk.ts'
import type { Aggregate } from '../../src/topology/aggregates.ts'
import type { KindDefinition } from '../../src/topology/definition.ts'
import { HASH } from '../support/hash.ts'
import { naiveAggregate } from './oracle/naive-aggregates.ts'

// One history with a number, a text and a condition for each event, beside a plain list of the same
// events.

export interface Entry {
  readonly timeMs: number
  readonly amount: number
  readonly shop: string
  readonly refund: boolean
}

const amount = (e: unknown) => (e as Entry).amount
const fee = (e: unknown) => (e as Entry).amount * 0.015 + 0.25
const shop = (e: unknown) => (e as Entry).shop
const refund = (e: unknown) => (e as Entry).refund
const KIND: KindDefinition = { is: null, columns: { amount, fee, shop, refund } }
const empty = Number.NaN
const EVERY_AGGREGATE: readonly Aggregate[] = [
  { of: 'count' },
  { of: 'rate' },
  { of: 'sum', column: 'amount' },
  { of: 'mean', column: 'amount', empty },
  { of: 'min', column: 'amount', empty },
  { of: 'max', column: 'amount', empty },
  { of: 'variance', column: 'amount', empty },
  { of: 'std', column: 'amount', empty },
  { of: 'skewness', column: 'amount', empty },
  { of: 'kurtosis', column: 'fee', empty: -1 },
  { of: 'decayedSum', column: 'amount', halfLifeMs: 50 },
  { of: 'decayedSum', column: 'amount', halfLifeMs: 1_000 },
  { of: 'quantile', column: 'amount', q: 0.5, empty },
  { of: 'quantile', column: 'amount', q: 0.99, empty },
  { of: 'ratio', column: 'fee', over: 'amount', empty: -1 },
  { of: 'first', column: 'amount', cell: 'number', empty },
  { of: 'last', column: 'refund', cell: 'number', empty },
  { of: 'distinct', column: 'shop' },
  { of: 'countWhere', column: 'refund' },
  { of: 'share', column: 'refund', empty },
]

/** The aggregates that need no values in order: a walk keeps what settled blocks come to. */
export const UNRANKED = EVERY_AGGREGATE.filter(({ of }) => of !== 'quantile')

/** Sizes by which a few events make many blocks, and a few blocks many groups. */
export const SMALL: HistorySizes = { buffer: 8, run: 4, block: 4, group: 4, unsettled: 2 }

export class Windowed {
  readonly columns: EventColumns
  readonly history: History
  readonly #walk: WindowWalk
  readonly #features: readonly WindowFeature[]
  readonly #row: Float64Array
  #plain: Entry[] = []

  /** @param lengthsMs a window of each, over every aggregate */
  constructor(lengthsMs: readonly number[], aggregates = EVERY_AGGREGATE, sizes?: HistorySizes) {
    this.columns = new EventColumns(KIND.columns, aggregates, {
      precision: 'float64',
      sizes,
      hash: HASH,
    })
    this.#features = lengthsMs.flatMap((lengthMs, l) =>
      aggregates.map((aggregate, a) => ({
        lengthMs,
        aggregate,
        feature: l * aggregates.length + a,
      })),
    )
    const { layout } = this.columns
    this.history = new Histories(layout).begin(0)
    this.#walk = new WindowWalk(this.#features, this.columns)
    this.#row = new Float64Array(this.#features.length)
  }

  /** The entries that are held, by event time. */
  get plain(): readonly Entry[] {
    return this.#plain
  }

  insert(entry: Entry): void {
    const { timeMs } = entry
    this.columns.read([entry], 0)
    this.history.insert(timeMs, this.columns.hold())
    const after = this.#plain.findLastIndex((e) => e.timeMs <= timeMs) + 1
    this.#plain.splice(after, 0, entry)
  }

  prune(cutMs: number): void {
    this.history.prune(cutMs)
    this.#plain = this.#plain.filter((e) => e.timeMs > cutMs)
  }

  write(timeMs: number, floorMs: number): number[] {
    this.#row.fill(-1)
    this.#walk.write(this.history, timeMs, floorMs, this.#row)
    return [...this.#row]
  }

  naive(timeMs: number, floorMs: number): number[] {
    const lengthsMs = new Set(this.#features.map((feature) => feature.lengthMs))
    const within = new Map(
      [...lengthsMs].map((lengthMs) => [
        lengthMs,
        this.#between(Math.max(timeMs - lengthMs, floorMs), timeMs),
      ]),
    )
    return this.#features.map((feature) =>
      naiveAggregate(feature, KIND, { events: within.get(feature.lengthMs) ?? [], timeMs }),
    )
  }

  writeRange(afterMs: number, upToMs: number): number[] {
    this.#row.fill(-1)
    const range = { afterMs, upToMs, timeMs: timeOf(upToMs) }
    this.#walk.writeRange(this.history, range, this.#row)
    return [...this.#row]
  }

  naiveRange(afterMs: number, upToMs: number): number[] {
    const events = this.#between(afterMs, upToMs)
    return this.#features.map((feature) =>
      naiveAggregate(feature, KIND, { events, timeMs: timeOf(upToMs) }),
    )
  }

  #between(afterMs: number, upToMs: number): { timeMs: number; event: Entry }[] {
    return this.#plain
      .filter((e) => e.timeMs > afterMs && e.timeMs <= upToMs)
      .map((event) => ({ timeMs: event.timeMs, event }))
  }
}

/** Rounds to float32, because the engine sums in twice the precision and the oracle exactly. */
export function rounded(row: readonly number[]): number[] {
  return row.map(Math.fround)
}

/** Values decay up to the end of a range, where it has one. */
function timeOf(upToMs: number): number {
  return Math.min(upToMs, 10_000)
}
