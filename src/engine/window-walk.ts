import { generated } from '../kernel/node.ts'
import {
  type Aggregate,
  type AggregateArguments,
  type AggregateRule,
  aggregateRule,
  type Need,
  parameterOf,
} from '../topology/aggregates.ts'
import type { History } from './history.ts'
import type { Layout } from './layout.ts'
import { Reach } from './reach.ts'

// Computes all windows of one kind in one walk, from the newest event that a row may see to the
// oldest: at each window's edge, what has been walked so far is that window's content, since the
// windows are nested.

/** A feature over a window, with the index of its column and of its value in the row. */
export interface WindowFeature {
  readonly lengthMs: number
  readonly aggregate: Aggregate
  /** Column in the history, and a second one; 0 if the aggregate needs none. */
  readonly column: number
  readonly over: number
  /** Index in the row. */
  readonly feature: number
}

interface TimeRange {
  readonly afterMs: number
  readonly upToMs: number
  readonly timeMs: number
}

/**
 * A feature in the form that its rule takes. Aggregates have many shapes, and inspecting them for
 * each event would cost more than the computation itself.
 */
interface PlacedFeature extends AggregateArguments {
  readonly feature: number
  readonly value: AggregateRule['value']
}

function placed({ aggregate, lengthMs, column, over, feature }: WindowFeature): PlacedFeature {
  return {
    feature,
    value: aggregateRule(aggregate).value,
    column,
    over,
    parameter: parameterOf(aggregate),
    empty: 'empty' in aggregate ? aggregate.empty : 0,
    lengthSeconds: lengthMs / 1_000,
  }
}

/** Needs for which a walk must remember all blocks that it visits. */
const BEYOND_SUMS: readonly Need[] = ['order', 'links']

interface WindowPlan {
  readonly lengthMs: number
  readonly write: WriteWindow
  /** Does this window or a longer one need more than sums? */
  readonly remember: boolean
}

/** Computes the features over windows of one kind. */
export class WindowWalk {
  readonly #windows: readonly WindowPlan[]
  readonly #reach: Reach

  constructor(features: readonly WindowFeature[], layout: Layout) {
    const lengths = [...new Set(features.map((f) => f.lengthMs))].toSorted((a, b) => a - b)
    const needy = features.filter((f) =>
      aggregateRule(f.aggregate).needs.some((n) => BEYOND_SUMS.includes(n)),
    )
    this.#windows = lengths.map((lengthMs) => ({
      lengthMs,
      remember: needy.some((f) => f.lengthMs >= lengthMs),
      write: writerOf(features.filter((f) => f.lengthMs === lengthMs).map(placed)),
    }))
    this.#reach = new Reach(layout)
  }

  /** Length of the longest window, ms; 0 without windows. */
  get longestMs(): number {
    return this.#windows.at(-1)?.lengthMs ?? 0
  }

  /**
   * Writes the value of every feature over the last `lengthMs` up to an event at `timeMs`: (timeMs
   * − lengthMs, timeMs]. Events at or before `floorMs` are excluded: what the watermark has pruned
   * is gone, even if it is still in memory (rule R3).
   */
  write(history: History | null, timeMs: number, floorMs: number, row: Float64Array): void {
    this.#reach.begin(history, timeMs, timeMs)
    for (const window of this.#windows) {
      const afterMs = Math.max(timeMs - window.lengthMs, floorMs)
      this.#reach.extend(afterMs, window.remember)
      window.write(this.#reach, row)
    }
  }

  /**
   * Writes the value of every feature over the events in (afterMs, upToMs], whatever its own
   * length. `timeMs`: the time at which decayed values are read.
   */
  writeRange(
    history: History | null,
    { afterMs, upToMs, timeMs }: TimeRange,
    row: Float64Array,
  ): void {
    this.#reach.begin(history, upToMs, timeMs)
    this.#reach.extend(afterMs, true)
    for (const window of this.#windows) window.write(this.#reach, row)
  }
}

/** Writes the features of one window into a row. */
type WriteWindow = (reach: Reach, row: Float64Array) => void

/**
 * Evaluates each feature in its own line of code, where V8 sees which rule is called and inlines
 * it, and its number does not go through the heap. In a loop all rules are called at one call site,
 * which costs twice as much.
 */
function writerOf(features: readonly PlacedFeature[]): WriteWindow {
  const lines = features.map(({ feature }, i) => {
    return `row[${feature}] = isEmpty ? features[${i}].empty : value${i}(reach, features[${i}])`
  })
  const names = features.map((_, i) => `value${i}`)
  const body = `return function write(reach, row) {
    const isEmpty = reach.count === 0
    ${lines.join('\n')}
  }`
  const make = generated(['features', ...names], body) as
    | ((all: typeof features, ...values: readonly PlacedFeature['value'][]) => WriteWindow)
    | null
  return make?.(features, ...features.map(({ value }) => value)) ?? writeInLoop(features)
}

/** Fallback where no code can be generated. */
function writeInLoop(features: readonly PlacedFeature[]): WriteWindow {
  return (reach, row) => {
    const isEmpty = reach.count === 0
    for (const feature of features) {
      row[feature.feature] = isEmpty ? feature.empty : feature.value(reach, feature)
    }
  }
}
