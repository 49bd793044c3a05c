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
 * The fields that each result of a tumbling window has next to its aggregates: the key of its events,
 * and the window, [start, end) in ms since the epoch. Starts are multiples of the length; the event
 * time of a result is `windowEndMs − 1`.
 */
export interface WindowEvent {
  readonly key: string
  readonly windowStartMs: number
  readonly windowEndMs: number
}
/** A field of a tumbling window's result. `V`, which only carries a type, is that of its value. */
export interface WindowField<V> {
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

/** Columns named like their type: so a method's parameter tells which columns it takes. */
interface ByCell {
  readonly number: (event: never) => number
  readonly string: (event: never) => string
  readonly boolean: (event: never) => boolean
}

type Rules = typeof AGGREGATES
type ColumnArgs<Names, Type> = Names extends readonly [unknown, ...infer Rest]
  ? [Type, ...ColumnArgs<Rest, Type>]
  : []
type ParameterArgs<R> = R extends { parameter: { fault: (value: infer Value) => unknown } }
  ? [Value]
  : []
type EmptyArgs<R> = R extends { acceptsEmpty: true } ? [o?: WhenEmpty | undefined] : []
type Args<R extends AggregateRule, Type> = [...ColumnArgs<R['columns'], Type>, ...ParameterArgs<R>]
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
    ...args: [...Args<Rules[Of], ModelCells<Rules[Of]>>, ...EmptyArgs<Rules[Of]>]
  ) => Feature<unknown>
}
/** The methods for a tumbling window's results, where `null` means that there is no number. */
type FieldMethods = {
  [Of in AggregateName]: (
    ...args: Args<Rules[Of], Rules[Of]['cells'][number]>
  ) => WindowField<FieldValue<Rules[Of]>>
}

type Signatures<Methods> = {
  [Of in keyof Methods]: Methods[Of] extends (...args: infer Args) => infer Result
    ? [Args, Result]
    : never
}
/** The written types, if they are those of the table. */
type Checked<Written, Methods> =
  Mistakes<Signatures<Written>, Signatures<Methods>> extends infer Of
    ? [Of] extends [never]
      ? Written
      : Mistake<`'${Of & string}' has other types here than in its rule`>
    : never
/** The methods that are not equal, or are in one of both only. */
type Mistakes<A, B> = {
  [Of in keyof A | keyof B]: Of extends keyof A & keyof B
    ? [A[Of], B[Of]] extends [B[Of], A[Of]]
      ? never
      : Of
    : Of
}[keyof A | keyof B]

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
