import { groupedBy } from '../../kernel/grouped.ts'
import { generated } from '../../kernel/node.ts'
import {
  type Aggregate,
  type AggregateArguments,
  type AggregateRule,
  aggregateRule,
  type Need,
  parameterOf,
} from '../../topology/aggregates.ts'
import type { EventColumns } from './event-columns.ts'
import type { History } from './history.ts'
import { RangeQuery } from './range-query.ts'

export interface WindowFeature {
  readonly lengthMs: number
  readonly aggregate: Aggregate
  /** Its place in a row. */
  readonly feature: number
}

interface TimeRange {
  readonly afterMs: number
  readonly upToMs: number
  readonly timeMs: number
}

/** A feature as its rule takes it: inspecting an aggregate per event costs more than computing. */
interface PlacedFeature extends AggregateArguments {
  readonly feature: number
  readonly value: AggregateRule['value']
}

function placed(
  { aggregate, lengthMs, feature }: WindowFeature,
  columns: EventColumns,
): PlacedFeature {
  return {
    feature,
    value: aggregateRule(aggregate).value,
    ...columns.placeOf(aggregate),
    parameter: parameterOf(aggregate),
    empty: 'empty' in aggregate ? aggregate.empty : 0,
    lengthSeconds: lengthMs / 1_000,
  }
}

/** Needs for which a walk must remember the blocks that it visits. */
const BEYOND_SUMS: readonly Need[] = ['order', 'links']

interface WindowPlan {
  readonly lengthMs: number
  readonly write: WriteWindow
  /** Does this window or a longer one need more than sums? */
  readonly remember: boolean
}

/** Windows are nested: at each one's edge, what has been walked is its content. */
export class WindowWalk {
  readonly #windows: readonly WindowPlan[]
  readonly #query: RangeQuery

  constructor(features: readonly WindowFeature[], columns: EventColumns) {
    const needy = features.filter((f) =>
      aggregateRule(f.aggregate).needs.some((n) => BEYOND_SUMS.includes(n)),
    )
    this.#windows = [...groupedBy(features, (f) => f.lengthMs)]
      .toSorted(([a], [b]) => a - b)
      .map(([lengthMs, of]) => ({
        lengthMs,
        remember: needy.some((f) => f.lengthMs >= lengthMs),
        write: writerOf(of.map((feature) => placed(feature, columns))),
      }))
    this.#query = new RangeQuery(columns.layout)
  }

  /** The event that is read for, as {@link WindowValues.ownCell} gives it. @default none */
  set own(numbers: ArrayLike<number> | null) {
    this.#query.own = numbers
  }

  /**
   * Without events up to `floorMs`: what the watermark has pruned is gone, even if held (rule R3).
   */
  write(history: History | null, timeMs: number, floorMs: number, row: Float64Array): void {
    this.#query.begin(history, timeMs, timeMs)
    for (const window of this.#windows) {
      const afterMs = Math.max(timeMs - window.lengthMs, floorMs)
      this.#query.extend(afterMs, window.remember)
      window.write(this.#query, row)
    }
  }

  /** Writes every feature over (afterMs, upToMs]. @param range `timeMs`: when decay is read */
  writeRange(
    history: History | null,
    { afterMs, upToMs, timeMs }: TimeRange,
    row: Float64Array,
  ): void {
    this.#query.begin(history, upToMs, timeMs)
    this.#query.extend(afterMs, true)
    for (const window of this.#windows) window.write(this.#query, row)
  }
}

type WriteWindow = (query: RangeQuery, row: Float64Array) => void

/**
 * A line of code a feature, which V8 inlines; a loop has one call site, and costs twice as much.
 */
function writerOf(features: readonly PlacedFeature[]): WriteWindow {
  const lines = features.map(({ feature }, i) => {
    return `row[${feature}] = isEmpty ? features[${i}].empty : value${i}(query, features[${i}])`
  })
  const names = features.map((_, i) => `value${i}`)
  const body = `return function write(query, row) {
    const isEmpty = query.count === 0
    ${lines.join('\n')}
  }`
  const make = generated(['features', ...names], body) as
    | ((all: typeof features, ...values: readonly PlacedFeature['value'][]) => WriteWindow)
    | null
  if (make !== null) return make(features, ...features.map(({ value }) => value))
  return (query, row) => {
    const isEmpty = query.count === 0
    for (const feature of features) {
      row[feature.feature] = isEmpty ? feature.empty : feature.value(query, feature)
    }
  }
}
