import type { Mistake } from '../kernel/author-types.ts'
import { AGGREGATES, type Aggregate, type AggregateRule } from './aggregates.ts'
import type { Aggregates, Feature, WhenEmpty, Window } from './features.ts'

// The methods for aggregates, of features and of a tumbling window's results. Their types are
// written out for authors in features.ts; the rules in the table say which arguments they take.

/**
 * The fields that each result of a tumbling window has next to its aggregates: the key of its
 * events, and the window, [start, end) in ms since the epoch. Starts are multiples of the length;
 * the event time of a result is `windowEndMs − 1`.
 */
export interface WindowEvent {
  /** The key whose events are in the window. */
  readonly key: string
  /** Start of the window (inclusive), ms since the epoch: a multiple of the length. */
  readonly windowStartMs: number
  /** End of the window (exclusive), ms since the epoch. */
  readonly windowEndMs: number
}
/** A field of a tumbling window's result. `V`, which only carries a type, is that of its value. */
export interface WindowField<V> {
  /** Never present; it only carries the type. */
  readonly value?: V
}
type CellOf<F> = F extends (event: never) => infer V ? V : never
/** Aggregates over one tumbling window of columns `C`. `null`: the aggregate is missing. */
export interface AggregateKit<C>
  extends Aggregates<C, WindowField<number>, WindowField<number | null>, []> {
  /** The column's value of the event with the earliest event time. */
  first<K extends keyof C & string>(column: K): WindowField<CellOf<C[K]>>
  /** The column's value of the event with the latest event time. */
  last<K extends keyof C & string>(column: K): WindowField<CellOf<C[K]>>
}

/** The written methods, if there is one for every rule. */
type Complete<Methods> = [Exclude<keyof typeof AGGREGATES, keyof Methods>] extends [never]
  ? Methods
  : Mistake<`'${Exclude<keyof typeof AGGREGATES, keyof Methods>}' has a rule but no method`>

/** The methods of a window for features. @param made makes a feature of an aggregate */
export function featureMethods(made: (aggregate: Aggregate) => Feature<unknown>): Window<object> {
  return methodsOf('number', made) as Complete<Window<object>>
}

/** The methods for the fields of a tumbling window's results. */
export function fieldMethods(): AggregateKit<object> {
  return methodsOf('any', (aggregate) => aggregate) as Complete<AggregateKit<object>>
}

function methodsOf(cell: 'number' | 'any', made: (aggregate: Aggregate) => unknown): unknown {
  const methods = Object.entries<AggregateRule>(AGGREGATES).map(([name, rule]) => [
    name,
    (...args: readonly unknown[]) => made({ of: name, ...dataOf(rule, cell, args) } as Aggregate),
  ])
  return Object.fromEntries(methods)
}

function dataOf(rule: AggregateRule, cell: 'number' | 'any', args: readonly unknown[]): object {
  const { columns, parameter, acceptsEmpty, givesCell } = rule
  const names = parameter === undefined ? columns : [...columns, parameter.name]
  const o = args[names.length] as WhenEmpty | undefined
  return {
    ...Object.fromEntries(names.map((name, i) => [name, args[i]])),
    ...(givesCell === true ? { cell } : {}),
    ...(acceptsEmpty ? { empty: o?.empty ?? Number.NaN } : {}),
  }
}
