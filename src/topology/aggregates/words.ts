import type { Mistake } from '../../kernel/author-types.ts'
import type { Cell } from '../definition.ts'
import type { Feature, WhenEmpty, Window } from '../features.ts'
import type { AggregateKit, WindowField } from '../window-results.ts'
import type { AggregateRule, CellType } from './rule.ts'
import { AGGREGATES, type Aggregate, type AggregateName } from './table.ts'

// The methods for aggregates. Their types are written out for authors, in features.ts and
// stream.ts; here the compiler checks them against the table.

/**
 * Columns named like their type, so that a method's parameter type tells which columns it takes.
 */
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
type FeatureWords = {
  [Of in AggregateName]: (
    ...args: [
      ...ColumnArgs<RuleOf<Of>['columns'], ModelCells<RuleOf<Of>>>,
      ...ParameterArgs<RuleOf<Of>>,
      ...EmptyArgs<RuleOf<Of>>,
    ]
  ) => Feature<unknown>
}
/** The methods for a tumbling window's results, where `null` means that there is no number. */
type FieldWords = {
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
type Checked<Written, Words> = [Exclude<keyof Words, keyof Written>] extends [never]
  ? {
      [Of in keyof Words & keyof Written]: Same<
        Signature<Written[Of]>,
        Signature<Words[Of]>
      > extends true
        ? Written[Of]
        : Mistake<`'${Of & string}' has other types here than in its rule`>
    }
  : Mistake<`'${Exclude<keyof Words, keyof Written> & string}' has a rule but no method here`>

/** The methods of a window for features. @param made makes a feature of an aggregate */
export function featureWords(made: (aggregate: Aggregate) => Feature<unknown>): Window<ByCell> {
  return wordsOf('number', made) as Checked<Window<ByCell>, FeatureWords>
}

/** The methods for the fields of a tumbling window's results. */
export function fieldWords(): AggregateKit<ByCell> {
  return wordsOf('any', (aggregate) => aggregate) as Checked<AggregateKit<ByCell>, FieldWords>
}

function wordsOf(cell: 'number' | 'any', made: (aggregate: Aggregate) => unknown): unknown {
  const words = Object.entries<AggregateRule>(AGGREGATES).map(([of, rule]) => [
    of,
    (...args: readonly unknown[]) => made({ of, ...dataOf(rule, cell, args) } as Aggregate),
  ])
  return Object.fromEntries(words)
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
