import type { DurationMs } from '../kernel/time.ts'

// Aggregates: one table defines them all. The methods for authors, the data, the description, the
// checks, the data in windows and the value follow from an aggregate's rule.

export type CellType = 'number' | 'string' | 'boolean'

/**
 * Data that windows store for a column besides its cells. `sums`: of values and squares, minimum
 * and maximum · `powers`: sums up to the fourth power · `order`: the sorted values · `links`: from
 * each string to its previous occurrence · `decay`: the decayed sum.
 */
export type Need = 'sums' | 'powers' | 'order' | 'links' | 'decay'

/** Sums of powers of the deviations from the mean. */
export interface Deviations {
  /** 0 only if all values are equal. */
  readonly squares: number
  readonly cubes: number
  readonly fourths: number
}

/** The events of a window, at least one. Columns, by number, have the data that they need. */
export interface WindowValues {
  readonly count: number
  total(column: number): number
  /** Whether the total is 0, apart from the rounding error of values that cancel out. */
  isNothing(column: number): boolean
  min(column: number): number
  max(column: number): number
  variance(column: number): number
  /** The result is valid until the next call. */
  deviations(column: number): Deviations
  /** The cell of the oldest event, in event time. */
  oldest(column: number): number
  newest(column: number): number
  /** The cell of the n-th newest event; there are as many. */
  nthNewest(column: number, n: number): number
  /** The cell of the event that the window is read for; NaN: it is of another kind. */
  ownCell(column: number): number
  distinct(column: number): number
  quantile(column: number, q: number): number
  decayed(column: number, halfLifeMs: number): number
}

/** One shape for the arguments of aggregates: an absent parameter is NaN, an absent column 0. */
export interface AggregateArguments {
  readonly column: number
  readonly over: number
  readonly parameter: number
  readonly empty: number
  /** Length of the window, s. */
  readonly lengthSeconds: number
}

export interface AggregateRule {
  /** Names in the data. Its methods take columns first, then the parameter, then `empty`. */
  readonly columns: readonly ('column' | 'over')[]
  readonly cells: readonly CellType[]
  /** A number that it takes besides its columns, by its name in the data. */
  readonly parameter?: {
    readonly name: string
    text(value: number): string
    /** Why a value is refused; `null`: it is not. */
    fault(value: number): string | null
  }
  /** Whether the author sets its value over no events; otherwise that is 0. */
  readonly acceptsEmpty: boolean
  /** Set if its value is one of the cells, not computed from them. A model takes no strings. */
  readonly givesCell?: true
  readonly needs: readonly Need[]
  readonly value: (window: WindowValues, args: AggregateArguments) => number
}

const EVENTS = { columns: [], cells: [], acceptsEmpty: false, needs: [] } as const
const NUMBERS = { columns: ['column'], cells: ['number'], acceptsEmpty: true } as const
const SUMS = { ...NUMBERS, needs: ['sums'] } as const
const CONDITION = { ...SUMS, cells: ['boolean'], acceptsEmpty: false } as const
const CELLS = ['number', 'string', 'boolean'] as const
const CELL = { ...NUMBERS, cells: CELLS, givesCell: true, needs: [] } as const

/** All aggregates, by name. Without its method in features.ts, a new one does not compile. */
export const AGGREGATES = {
  count: { ...EVENTS, value: (window) => window.count },
  rate: { ...EVENTS, value: (window, { lengthSeconds }) => window.count / lengthSeconds },
  sum: { ...SUMS, acceptsEmpty: false, value: (window, { column }) => window.total(column) },
  mean: { ...SUMS, value: (window, { column }) => window.total(column) / window.count },
  min: { ...SUMS, value: (window, { column }) => window.min(column) },
  max: { ...SUMS, value: (window, { column }) => window.max(column) },
  variance: { ...SUMS, value: (window, { column }) => window.variance(column) },
  std: { ...SUMS, value: (window, { column }) => Math.sqrt(window.variance(column)) },
  // Skewness and kurtosis are undefined if all values are equal, as in scipy.
  skewness: {
    ...NUMBERS,
    needs: ['sums', 'powers'],
    value: (window, { column, empty }) => {
      const { squares, cubes } = window.deviations(column)
      if (squares === 0) return empty
      return (Math.sqrt(window.count) * cubes) / (squares * Math.sqrt(squares))
    },
  },
  kurtosis: {
    ...NUMBERS,
    needs: ['sums', 'powers'],
    value: (window, { column, empty }) => {
      const { squares, fourths } = window.deviations(column)
      if (squares === 0) return empty
      return (window.count * fourths) / (squares * squares) - 3
    },
  },
  quantile: {
    ...NUMBERS,
    parameter: {
      name: 'q',
      text: (q) => `${q}`,
      fault: (q) => (q >= 0 && q <= 1 ? null : `quantile ${q} must lie between 0 and 1`),
    },
    needs: ['order'],
    value: (window, { column, parameter }) => window.quantile(column, parameter),
  },
  ratio: {
    ...SUMS,
    columns: ['column', 'over'],
    value: (window, { column, over, empty }) =>
      window.isNothing(over) ? empty : window.total(column) / window.total(over),
  },
  decayedSum: {
    ...NUMBERS,
    acceptsEmpty: false,
    parameter: {
      name: 'halfLifeMs',
      text: (halfLifeMs) => `half-life ${halfLifeMs} ms`,
      fault: (halfLifeMs: DurationMs) =>
        Number.isInteger(halfLifeMs) && halfLifeMs > 0
          ? null
          : `half-life ${halfLifeMs} ms must be a whole number above 0`,
    },
    needs: ['decay'],
    value: (window, { column, parameter }) => window.decayed(column, parameter),
  },
  first: { ...CELL, value: (window, { column }) => window.oldest(column) },
  last: { ...CELL, value: (window, { column }) => window.newest(column) },
  distinct: {
    columns: ['column'],
    cells: ['string'],
    acceptsEmpty: false,
    needs: ['links'],
    value: (window, { column }) => window.distinct(column),
  },
  countWhere: { ...CONDITION, value: (window, { column }) => window.total(column) },
  share: {
    ...CONDITION,
    acceptsEmpty: true,
    value: (window, { column }) => window.total(column) / window.count,
  },
} as const satisfies Readonly<Record<string, AggregateRule>>

/** Aggregates of the events before one, which compare it with them. */
const BEFORE = {
  previous: {
    ...CELL,
    cells: ['number', 'boolean'],
    parameter: {
      name: 'n',
      text: (n) => `n: ${n}`,
      fault: (n) => (Number.isInteger(n) && n >= 1 ? null : `n ${n} must be a whole number from 1`),
    },
    value: (window, { column, parameter, empty }) =>
      window.count < parameter ? empty : window.nthNewest(column, parameter),
  },
  delta: {
    ...NUMBERS,
    needs: [],
    value: (window, { column, empty }) => {
      const cell = window.ownCell(column)
      return Number.isNaN(cell) ? empty : cell - window.newest(column)
    },
  },
} as const satisfies Readonly<Record<string, AggregateRule>>

const RULES = { ...AGGREGATES, ...BEFORE }

type Rules = typeof RULES
type AggregateName = keyof Rules

type ParameterData<R> = R extends { parameter: { name: infer Name extends string } }
  ? { readonly [N in Name]: number }
  : unknown
type EmptyData<R> = R extends { acceptsEmpty: true } ? { readonly empty: number } : unknown
type CellData<R> = R extends { givesCell: true } ? { readonly cell: 'number' | 'any' } : unknown
type DataOf<Of extends AggregateName> = { readonly of: Of } & {
  readonly [Name in Rules[Of]['columns'][number]]: string
} & ParameterData<Rules[Of]> &
  EmptyData<Rules[Of]> &
  CellData<Rules[Of]>

/**
 * An aggregate with its arguments, as data. `empty`: its value where it has none, else 0. `cell`:
 * whether the cell must be a number (a boolean counts as 0 or 1) or may be a string too.
 */
export type Aggregate = { readonly [Of in AggregateName]: DataOf<Of> }[AggregateName]

export function aggregateRule({ of: name }: Aggregate): AggregateRule {
  return RULES[name]
}

export function columnsOf(aggregate: Aggregate): readonly string[] {
  const data: Readonly<Record<string, unknown>> = aggregate
  return aggregateRule(aggregate).columns.map((name) => data[name] as string)
}

export function parameterOf(aggregate: Aggregate): number {
  const data: Readonly<Record<string, unknown>> = aggregate
  const { parameter } = aggregateRule(aggregate)
  return parameter === undefined ? Number.NaN : (data[parameter.name] as number)
}

export function cellTypesOf(aggregate: Aggregate): readonly CellType[] {
  const { cells } = aggregateRule(aggregate)
  const isForModel = 'cell' in aggregate && aggregate.cell === 'number'
  return isForModel ? cells.filter((type) => type !== 'string') : cells
}

/** An aggregate as its author would write it. */
export function aggregateText(aggregate: Aggregate): string {
  const { parameter } = aggregateRule(aggregate)
  const parts = [...columnsOf(aggregate)]
  if (parameter !== undefined) parts.push(parameter.text(parameterOf(aggregate)))
  if ('empty' in aggregate) parts.push(`empty: ${aggregate.empty}`)
  return `${aggregate.of}(${parts.join(', ')})`
}

export interface ColumnUses {
  readonly columns: Readonly<Record<string, unknown>>
  /** By column, the types that suit all aggregates checked so far. */
  readonly types: Map<string, readonly CellType[]>
}

const USES = { number: 'number', string: 'text', boolean: 'condition' } as const

export function checkAggregate(
  aggregate: Aggregate,
  { columns, types }: ColumnUses,
  tell: (message: string) => void,
): void {
  const needed = cellTypesOf(aggregate)
  for (const column of new Set(columnsOf(aggregate))) {
    if (!Object.hasOwn(columns, column)) tell(`there is no column "${column}"`)
    const before = types.get(column) ?? needed
    const both = before.filter((type) => needed.includes(type))
    if (both.length > 0) types.set(column, both)
    else tell(`column "${column}" is used as a ${usesOf(before)} and as a ${usesOf(needed)}`)
  }
  const fault = aggregateRule(aggregate).parameter?.fault(parameterOf(aggregate)) ?? null
  if (fault !== null) tell(fault)
  if ('empty' in aggregate) checkEmpty(aggregate, tell)
}

/** Reports an `empty` that is not a number, as JavaScript may pass. */
export function checkEmpty({ empty }: { empty: unknown }, tell: (message: string) => void): void {
  if (typeof empty !== 'number') tell(`empty must be a number, got ${typeof empty}`)
}

function usesOf(types: readonly CellType[]): string {
  return types.map((type) => USES[type]).join(' or a ')
}
