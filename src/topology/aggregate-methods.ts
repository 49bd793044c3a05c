import type { Mistake } from '../kernel/author-types.ts'
import {
  AGGREGATES,
  type Aggregate,
  type AggregateName,
  type AggregateRule,
  type CellType,
} from './aggregates.ts'
import type { Cell } from './definition.ts'
import type { Aggregates, Feature, WhenEmpty, Window } from './features.ts'

// The methods for aggregates, of features and of a tumbling window's results. Their types are
// written out for authors in features.ts; the compiler checks them against the table.

/**
 * The fields that each result of a tumbling window has next to its aggregates. The event time of a
 * result is `windowEndMs − 1`.
 */
export interface WindowEvent {
  /** The key whose events are in the window. */
  readonly key: string
  /** Start of the window (inclusive), ms since the epoch: a multiple of the length. */
  readonly windowStartMs: number
  /** End of the window (exclusive), ms since the epoch. */
  readonly windowEndMs: number
}
/**
 * A field of a tumbling window's result, as returned by the methods of {@link AggregateKit}. `V` is
 * the type of its value.
 */
export interface WindowField<V> {
  /** Never present; it only carries the type. */
  readonly value?: V
}
type CellOf<F> = F extends (event: never) => infer V ? V : never
/**
 * Aggregates over the events in one tumbling window, as fields of its result. `null`: the aggregate
 * is missing. `C` are the columns.
 */
export interface AggregateKit<C>
  extends Aggregates<C, WindowField<number>, WindowField<number | null>, []> {
  /** The column's value of the event with the earliest event time. */
  first<K extends keyof C & string>(column: K): WindowField<CellOf<C[K]>>
  /** The column's value of the event with the latest event time. */
  last<K extends keyof C & string>(column: K): WindowField<CellOf<C[K]>>
}

/** Columns named like their type: so a method's parameter tells which columns it takes. */
interface ByCell {
  readonly number: (event: never) => number
  readonly string: (event: never) => string
  readonly boolean: (event: never) => boolean
}

type RuleOf<Of extends AggregateName> = (typeof AGGREGATES)[Of]
type ColumnArgs<Names, Type> = Names extends readonly [unknown, ...infer Rest]
  ? [Type, ...ColumnArgs<Rest, Type>]
  : []
type ParameterArgs<R> = R extends { parameter: { fault: (value: infer Value) => unknown } }
  ? [Value]
  : []
type EmptyArgs<R> = R extends { acceptsEmpty: true } ? [o?: WhenEmpty | undefined] : []
type ModelCells<R extends AggregateRule> = R extends { givesCell: true }
  ? Exclude<CellType, 'string'>
  : R['cells'][number]
type FieldValue<R> = R extends { givesCell: true }
  ? Cell
  : R extends { acceptsEmpty: true }
    ? number | null
    : number

/** The methods of a window for features, as the table defines them. */
type FeatureMethods = {
  [Of in AggregateName]: (
    ...args: [
      ...ColumnArgs<RuleOf<Of>['columns'], ModelCells<RuleOf<Of>>>,
      ...ParameterArgs<RuleOf<Of>>,
      ...EmptyArgs<RuleOf<Of>>,
    ]
  ) => Feature<unknown>
}
/** The methods for a tumbling window's results, where `null` means that there is no number. */
type FieldMethods = {
  [Of in AggregateName]: (
    ...args: [
      ...ColumnArgs<RuleOf<Of>['columns'], RuleOf<Of>['cells'][number]>,
      ...ParameterArgs<RuleOf<Of>>,
    ]
  ) => WindowField<FieldValue<RuleOf<Of>>>
}

type Method = (...args: never[]) => unknown
type Signature<F> = F extends Method ? [Parameters<F>, ReturnType<F>] : never
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
/** The written types, if they are those of the table. */
type Checked<Written, Methods> = [Exclude<keyof Methods, keyof Written>] extends [never]
  ? {
      [Of in keyof Methods & keyof Written]: Same<
        Signature<Written[Of]>,
        Signature<Methods[Of]>
      > extends true
        ? Written[Of]
        : Mistake<`'${Of & string}' has other types here than in its rule`>
    }
  : Mistake<`'${Exclude<keyof Methods, keyof Written> & string}' has a rule but no method here`>

/** The methods of a window for features. @param made makes a feature of an aggregate */
export function featureMethods(made: (aggregate: Aggregate) => Feature<unknown>): Window<ByCell> {
  return methodsOf('number', made) as Checked<Window<ByCell>, FeatureMethods>
}

/** The methods for the fields of a tumbling window's results. */
export function fieldMethods(): AggregateKit<ByCell> {
  return methodsOf('any', (aggregate) => aggregate) as Checked<AggregateKit<ByCell>, FieldMethods>
}

function methodsOf(cell: 'number' | 'any', made: (aggregate: Aggregate) => unknown): unknown {
  const methods = Object.entries<AggregateRule>(AGGREGATES).map(([of, rule]) => [
    of,
    (...args: readonly unknown[]) => made({ of, ...dataOf(rule, cell, args) } as Aggregate),
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
