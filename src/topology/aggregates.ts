import type { Aggregate, NumberAggregate } from './definition.ts'
import type { WhenEmpty } from './features.ts'

/** A word for each aggregate, which gives what `made` makes of the data. `cell`: see {@link Aggregate}. */
export function aggregateWords<T>(cell: 'number' | 'any', made: (aggregate: Aggregate) => T) {
  const ofNumber = (of: NumberAggregate) => (column: string, o?: WhenEmpty) =>
    made({ of, column, empty: emptyOf(o) })
  return {
    count: () => made({ of: 'count' }),
    rate: () => made({ of: 'rate' }),
    sum: (column: string) => made({ of: 'sum', column, empty: 0 }),
    mean: ofNumber('mean'),
    min: ofNumber('min'),
    max: ofNumber('max'),
    variance: ofNumber('variance'),
    std: ofNumber('std'),
    quantile: (column: string, q: number, o?: WhenEmpty) =>
      made({ of: 'quantile', column, q, empty: emptyOf(o) }),
    ratio: (column: string, over: string, o?: WhenEmpty) =>
      made({ of: 'ratio', column, over, empty: emptyOf(o) }),
    first: (column: string, o?: WhenEmpty) =>
      made({ of: 'first', column, cell, empty: emptyOf(o) }),
    last: (column: string, o?: WhenEmpty) => made({ of: 'last', column, cell, empty: emptyOf(o) }),
    distinct: (column: string) => made({ of: 'distinct', column }),
    countWhere: (column: string) => made({ of: 'countWhere', column }),
    share: (column: string, o?: WhenEmpty) => made({ of: 'share', column, empty: emptyOf(o) }),
  }
}

function emptyOf(o: WhenEmpty | undefined): number {
  return o?.empty ?? Number.NaN
}

/** The columns that an aggregate reads. */
export function columnsOf(aggregate: Aggregate): readonly string[] {
  if (aggregate.of === 'count' || aggregate.of === 'rate') return []
  return aggregate.of === 'ratio' ? [aggregate.column, aggregate.over] : [aggregate.column]
}

export type CellType = 'number' | 'string' | 'boolean'

const ANY: readonly CellType[] = ['number', 'string', 'boolean']

/** What the cells of the columns of an aggregate may be. */
export function cellTypesOf(aggregate: Aggregate): readonly CellType[] {
  switch (aggregate.of) {
    case 'distinct':
      return ['string']
    case 'countWhere':
    case 'share':
      return ['boolean']
    case 'first':
    case 'last':
      return aggregate.cell === 'any' ? ANY : ['number', 'boolean']
    case 'count':
    case 'rate':
    case 'sum':
    case 'mean':
    case 'min':
    case 'max':
    case 'variance':
    case 'std':
    case 'quantile':
    case 'ratio':
      return ['number']
  }
}
