import { Dictionary } from '../../src/engine/dictionary.ts'
import { History } from '../../src/engine/history.ts'
import { layoutOf, type Sizes } from '../../src/engine/layout.ts'
import { Slabs } from '../../src/engine/slabs.ts'
import { type WindowFeature, WindowWalk } from '../../src/engine/window-walk.ts'
import type { Aggregate, KindDefinition } from '../../src/topology/definition.ts'
import { naiveAggregate } from './oracle/naive-features.ts'

// One history with a number, a text and a condition for each event, beside a plain list of the same events.

export interface Entry {
  readonly timeMs: number
  readonly amount: number
  readonly shop: string
  readonly refund: boolean
}

const amount = (e: unknown) => (e as Entry).amount
const shop = (e: unknown) => (e as Entry).shop
const refund = (e: unknown) => (e as Entry).refund
const KIND: KindDefinition = { is: null, columns: { amount, shop, refund } }
const COLUMN: Readonly<Record<string, number>> = { amount: 1, shop: 2, refund: 3 }

const empty = Number.NaN
const EVERY_AGGREGATE: readonly Aggregate[] = [
  { of: 'count' },
  { of: 'sum', column: 'amount', empty: 0 },
  { of: 'mean', column: 'amount', empty },
  { of: 'min', column: 'amount', empty },
  { of: 'max', column: 'amount', empty },
  { of: 'std', column: 'amount', empty },
  { of: 'quantile', column: 'amount', q: 0.5, empty },
  { of: 'quantile', column: 'amount', q: 0.99, empty },
  { of: 'distinct', column: 'shop' },
  { of: 'countWhere', column: 'refund' },
  { of: 'share', column: 'refund', empty },
]

/** Of a few events many blocks, of a few blocks many groups. */
export const SMALL: Sizes = { buffer: 8, block: 4, group: 4 }

export class Windowed {
  readonly slabs = new Slabs()
  readonly dictionary = new Dictionary()
  readonly history: History
  readonly #walk: WindowWalk
  readonly #features: readonly WindowFeature[]
  readonly #row: Float64Array
  #plain: Entry[] = []

  /** @param lengthsMs a window of each, over every aggregate */
  constructor(lengthsMs: readonly number[], aggregates = EVERY_AGGREGATE, sizes?: Sizes) {
    this.#features = lengthsMs.flatMap((lengthMs, l) =>
      aggregates.map((aggregate, a) => ({
        lengthMs,
        aggregate,
        column: 'column' in aggregate ? (COLUMN[aggregate.column] ?? 0) : 0,
        feature: l * aggregates.length + a,
      })),
    )
    const { dictionary, slabs } = this
    const held = {
      columns: 4,
      summed: [1, 3],
      ranked: [1],
      distinct: [2],
      texts: [{ column: 2, dictionary }],
      slabs,
    }
    const layout = layoutOf(held, sizes)
    this.history = new History(layout, 'a key', Number.NEGATIVE_INFINITY)
    this.#walk = new WindowWalk(this.#features, layout)
    this.#row = new Float64Array(this.#features.length)
  }

  /** What there is, in order. */
  get plain(): readonly Entry[] {
    return this.#plain
  }

  insert(entry: Entry): void {
    const { timeMs } = entry
    const cells = [entry.amount, this.dictionary.hold(entry.shop), Number(entry.refund)]
    this.history.insert(timeMs, cells)
    const after = this.#plain.findLastIndex((e) => e.timeMs <= timeMs) + 1
    this.#plain.splice(after, 0, entry)
  }

  prune(cutMs: number): void {
    this.history.prune(cutMs)
    this.#plain = this.#plain.filter((e) => e.timeMs > cutMs)
  }

  write(timeMs: number, floorMs: number): number[] {
    this.#row.fill(-1)
    this.#walk.write(this.history, { timeMs, floorMs }, this.#row)
    return [...this.#row]
  }

  naive(timeMs: number, floorMs: number): number[] {
    return this.#features.map(({ lengthMs, aggregate }) =>
      naiveOver(aggregate, this.#between(Math.max(timeMs - lengthMs, floorMs), timeMs)),
    )
  }

  writeRange(afterMs: number, upToMs: number): number[] {
    this.#row.fill(-1)
    this.#walk.writeRange(this.history, { afterMs, upToMs }, this.#row)
    return [...this.#row]
  }

  naiveRange(afterMs: number, upToMs: number): number[] {
    const entries = this.#between(afterMs, upToMs)
    return this.#features.map(({ aggregate }) => naiveOver(aggregate, entries))
  }

  #between(afterMs: number, upToMs: number): Entry[] {
    return this.#plain.filter((e) => e.timeMs > afterMs && e.timeMs <= upToMs)
  }
}

/** As float32: what the engine sums in twice the precision the oracle sums exactly. */
export function rounded(row: readonly number[]): number[] {
  return row.map(Math.fround)
}

function naiveOver(aggregate: Aggregate, entries: readonly Entry[]): number {
  return naiveAggregate(
    aggregate,
    KIND,
    entries.map((event) => ({ event })),
  )
}
