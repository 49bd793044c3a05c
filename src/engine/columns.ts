import type { Aggregate, EventFunction } from '../topology/definition.ts'
import { Dictionary } from './dictionary.ts'
import { type Layout, layoutOf } from './layout.ts'
import { Slabs } from './slabs.ts'
import type { WindowFeature } from './window-walk.ts'

// The columns that windows keep of each event: what the author's functions give, as numbers.

type ColumnType = 'number' | 'string' | 'boolean'

interface Column {
  readonly name: string
  readonly type: ColumnType
  readonly of: EventFunction<unknown>
}

/** A column gave something that a window cannot hold. */
export interface BadCell {
  readonly column: string
  readonly wanted: ColumnType
  readonly got: unknown
}

const COLUMN_TYPE = {
  sum: 'number',
  mean: 'number',
  min: 'number',
  max: 'number',
  std: 'number',
  quantile: 'number',
  distinct: 'string',
  countWhere: 'boolean',
  share: 'boolean',
} as const satisfies Record<string, ColumnType>

export class EventColumns {
  /** How the buffers of these columns are laid out. */
  readonly layout: Layout
  readonly #columns: readonly Column[]
  /** One for each text column, by its index in {@link #columns}. */
  readonly #dictionaries: readonly (Dictionary | null)[]
  /** Of the event at hand, by column. */
  readonly #cells: unknown[] = []
  /** The same as numbers. */
  readonly #numbers: Float64Array

  /** Keeps those columns that some aggregate uses; how it uses them decides their type. */
  constructor(
    functions: Readonly<Record<string, EventFunction<unknown>>>,
    aggregates: readonly Aggregate[],
  ) {
    const types = new Map<string, ColumnType>()
    for (const aggregate of aggregates) {
      if (aggregate.of !== 'count') types.set(aggregate.column, COLUMN_TYPE[aggregate.of])
    }
    this.#columns = [...types].map(([name, type]) => ({
      name,
      type,
      of: functions[name] as EventFunction<unknown>,
    }))
    this.#dictionaries = this.#columns.map((c) => (c.type === 'string' ? new Dictionary() : null))
    this.#numbers = new Float64Array(this.#columns.length)
    this.layout = layoutOf({
      columns: this.#columns.length + 1,
      summed: this.#columns.flatMap((c, i) => (c.type === 'string' ? [] : [i + 1])),
      ranked: this.#columnsOf(aggregates, 'quantile'),
      distinct: this.#columnsOf(aggregates, 'distinct'),
      texts: this.#dictionaries.flatMap((dictionary, i) =>
        dictionary === null ? [] : [{ column: i + 1, dictionary }],
      ),
      slabs: new Slabs(),
    })
  }

  /** An aggregate as a window walk takes it: where its column lies, and where in the row its value goes. */
  windowFeature(aggregate: Aggregate, lengthMs: number, feature: number): WindowFeature {
    return { lengthMs, aggregate, column: this.#columnOf(aggregate), feature }
  }

  /** Index in a history; 0 when the aggregate needs none. */
  #columnOf(aggregate: Aggregate): number {
    const name = 'column' in aggregate ? aggregate.column : null
    return this.#columns.findIndex((c) => c.name === name) + 1
  }

  #columnsOf(aggregates: readonly Aggregate[], word: Aggregate['of']): number[] {
    const those = aggregates.filter(({ of }) => of === word)
    return [...new Set(those.map((aggregate) => this.#columnOf(aggregate)))]
  }

  /** Reads an event's cells; gives the first that a window cannot hold. May throw what the author's functions throw. */
  read(event: unknown): BadCell | null {
    for (let c = 0; c < this.#columns.length; c++) {
      const { name, type, of } = this.#columns[c] as Column
      const value = of(event)
      const fits = type === 'number' ? Number.isFinite(value) : typeof value === type
      if (!fits) return { column: name, wanted: type, got: value }
      this.#cells[c] = value
    }
    return null
  }

  /** The cells that were read last, as numbers to be entered into one history, which releases its texts. */
  take(): Float64Array {
    for (let c = 0; c < this.#columns.length; c++) {
      const cell = this.#cells[c]
      this.#numbers[c] = this.#dictionaries[c]?.hold(cell as string) ?? Number(cell)
    }
    return this.#numbers
  }
}
