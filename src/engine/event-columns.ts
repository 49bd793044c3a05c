import type { Memory } from '../kernel/bytes.ts'
import type { ColumnType } from '../plan/columns.ts'
import { called, type Events, type Read, type Reader } from '../plan/events.ts'
import { FieldRead, NO_CELL, ScannedEvents } from '../plan/scanned-events.ts'
import {
  type Aggregate,
  aggregateRule,
  type CellType,
  cellTypesOf,
  columnsOf,
  type Need,
  parameterOf,
} from '../topology/aggregates.ts'
import type { Cell, EventFunction } from '../topology/definition.ts'
import { CellsAhead } from './cells-ahead.ts'
import { Dictionary } from './dictionary.ts'
import type { Flow } from './events.ts'
import { type HistorySizes, type Layout, layoutOf } from './layout.ts'
import { Slabs } from './slabs.ts'
import type { Decay } from './summaries.ts'

/** A column returned something that a window cannot hold. */
export interface BadCell {
  readonly column: string
  /** `number`, or `number or boolean` and the like. */
  readonly wanted: string
  readonly got: unknown
}

/**
 * The precision in which numbers must be finite: a single value that is not finite as a float32
 * would make all features of its key infinite for a whole window.
 */
export type Precision = 'float32' | 'float64'

const NO_EVENT = -1

interface Column {
  readonly name: string
  readonly types: readonly CellType[]
  readonly read: Read<unknown>
  /** The field that it reads, if that is a field of a type that the column takes. */
  readonly field: FieldRead<unknown> | null
  /** For a column that may hold texts; `null`: another column. */
  readonly dictionary: Dictionary | null
}

/**
 * The columns of one kind of event that aggregates read. Converts between an event's cells and the
 * numbers of a history. A column has the type that all its aggregates can take.
 */
export class EventColumns {
  readonly layout: Layout
  readonly #columns: readonly Column[]
  readonly #isHeld: (number: number) => boolean
  /** Index in a history, by name. */
  readonly #index: ReadonlyMap<string, number>
  // The current event, by column: the index of its scanned cell; otherwise the cell; and the number
  // of either.
  readonly #places: Int32Array
  readonly #cells: Cell[] = []
  readonly #numbers: Float64Array
  /** `null`: events cannot be read ahead. */
  readonly #ahead: CellsAhead | null
  /** The index of the current event if it was read ahead; otherwise {@link NO_EVENT}. */
  #aheadAt = NO_EVENT
  /** The events that the current event was scanned into, if it was scanned. */
  #scanned: ScannedEvents | null = null
  #memory: Memory | null = null

  /**
   * @param o `reader`: how the columns' functions are evaluated, @default they are called; `sizes`:
   * see {@link layoutOf}
   */
  constructor(
    columns: Readonly<Record<string, EventFunction<unknown>>>,
    aggregates: readonly Aggregate[],
    {
      reader = called,
      precision,
      sizes,
    }: {
      readonly reader?: Reader
      readonly precision: Precision
      readonly sizes?: HistorySizes | undefined
    },
  ) {
    this.#isHeld = precision === 'float32' ? isFiniteFloat32 : Number.isFinite
    this.#columns = [...typesOf(aggregates)].map(([name, types]) => {
      const read = reader(columns[name] as EventFunction<unknown>)
      const isField = read instanceof FieldRead && types.includes(CELL_OF[read.type])
      const dictionary = types.includes('string') ? new Dictionary() : null
      return { name, types, read, field: isField ? read : null, dictionary }
    })
    this.#index = new Map(this.#columns.map((c, i) => [c.name, i + 1]))
    this.#places = new Int32Array(this.#columns.length)
    this.#numbers = new Float64Array(this.#columns.length)
    this.#ahead = aheadOf(this.#columns, this.#isHeld)
    const inNeed = (need: Need) => aggregates.filter((a) => aggregateRule(a).needs.includes(need))
    const columnsInNeed = (need: Need) => [
      ...new Set(inNeed(need).flatMap((a) => this.#placesOf(a))),
    ]
    const held = {
      columns: this.#columns.length + 1,
      summed: columnsInNeed('sums'),
      powered: columnsInNeed('powers'),
      decayed: inNeed('decay')
        .map((a) => ({ column: this.placeOf(a).column, halfLifeMs: parameterOf(a) }))
        .filter(isFirstDecay),
      ranked: columnsInNeed('order'),
      distinct: columnsInNeed('links'),
      texts: this.#columns.flatMap(({ dictionary }, i) =>
        dictionary === null ? [] : [{ column: i + 1, dictionary }],
      ),
      slabs: new Slabs(),
    }
    this.layout = layoutOf(held, sizes)
  }

  /** Texts held by windows, counted once per column. */
  get texts(): number {
    return this.layout.texts.reduce((sum, { dictionary }) => sum + dictionary.size, 0)
  }

  /** Memory of these texts and of the numbers of all histories, bytes. */
  get bytes(): number {
    const { slabs, texts } = this.layout
    return texts.reduce((sum, { dictionary }) => sum + dictionary.bytes, slabs.bytes)
  }

  /** Evicts texts that no history holds any more, checking at most `most` per column. */
  settle(most: number): void {
    for (const { dictionary } of this.layout.texts) dictionary.settle(most)
    this.#ahead?.forget()
  }

  /** Reads ahead what it can of the events that will be {@link read} next. */
  readAhead({ events, indices }: Pick<Flow, 'events' | 'indices'>): void {
    if (events instanceof ScannedEvents) this.#ahead?.read(events, indices)
  }

  /** The indices of an aggregate's columns in a history; 0 where it has none. */
  placeOf(aggregate: Aggregate): { column: number; over: number } {
    const [column = 0, over = 0] = this.#placesOf(aggregate)
    return { column, over }
  }

  /**
   * Reads an event's columns. Returns the first cell that a window cannot hold; `null`: none. May
   * throw whatever an author's function throws.
   */
  read(events: Events, index: number): BadCell | null {
    const isAhead = this.#ahead?.has(events, index) === true
    this.#aheadAt = isAhead ? index : NO_EVENT
    if (isAhead) return null
    const scanned = events instanceof ScannedEvents ? events : null
    this.#scanned = scanned
    this.#memory = scanned?.memoryOf(index) ?? null
    for (let c = 0; c < this.#columns.length; c++) {
      const { field } = this.#columns[c] as Column
      const place = scanned === null || field === null ? NO_CELL : field.cellIn(scanned, index)
      this.#places[c] = place
      const bad = place === NO_CELL ? this.#readCell(c, events, index) : this.#readScanned(c, place)
      if (bad !== null) return bad
    }
    return null
  }

  /**
   * The cells that were read last, as the numbers of a history; their texts are held in the
   * dictionaries from now on.
   */
  hold(): ArrayLike<number> {
    if (this.#aheadAt !== NO_EVENT) {
      this.#ahead?.hold(this.#aheadAt, this.#numbers)
      return this.#numbers
    }
    for (let c = 0; c < this.#columns.length; c++) {
      const { dictionary } = this.#columns[c] as Column
      if (dictionary !== null) this.#numbers[c] = dictionary.hold(this.#numberIn(dictionary, c))
    }
    return this.#numbers
  }

  /**
   * The value that a walk's number represents for an aggregate; `null`: there is none. To be called
   * before the aggregate's events are pruned.
   */
  valueOf(aggregate: Aggregate, number: number): Cell | null {
    if (Number.isNaN(number)) return null
    if (!('cell' in aggregate)) return number
    const { types, dictionary } = this.#columns[this.placeOf(aggregate).column - 1] as Column
    if (dictionary !== null) return dictionary.cellOf(number)
    return types.includes('number') ? number : number === 1
  }

  #readScanned(c: number, place: number): BadCell | null {
    const { name, types, field } = this.#columns[c] as Column
    if (field?.type === 'text') return null
    const number = this.#scanned?.columns.numbers[place] as number
    this.#numbers[c] = number
    return this.#isHeld(number) ? null : badCell(name, types, number)
  }

  #readCell(c: number, events: Events, index: number): BadCell | null {
    const { name, types, read } = this.#columns[c] as Column
    const cell = read.of(events, index)
    const fits = types.includes(typeof cell as CellType)
    if (!fits || (typeof cell === 'number' && !this.#isHeld(cell))) {
      return badCell(name, types, cell)
    }
    this.#cells[c] = cell as Cell
    this.#numbers[c] = Number(cell)
    return null
  }

  #numberIn(dictionary: Dictionary, c: number): number {
    const place = this.#places[c] as number
    if (place === NO_CELL) return dictionary.numberOf(this.#cells[c] as Cell)
    const number = this.#numbers[c] as number
    switch (this.#columns[c]?.field?.type as ColumnType) {
      case 'number':
        return dictionary.numberOf(number)
      case 'boolean':
        return dictionary.numberOf(number === 1)
      case 'text': {
        const { starts, ends } = (this.#scanned as ScannedEvents).columns
        const from = starts[place] as number
        return dictionary.numberOfBytes(this.#memory as Memory, from, ends[place] as number)
      }
    }
  }

  #placesOf(aggregate: Aggregate): number[] {
    return columnsOf(aggregate).map((name) => this.#index.get(name) as number)
  }
}

/** `null`: not all columns are fields that can be copied into histories. */
function aheadOf(
  columns: readonly Column[],
  isHeld: (number: number) => boolean,
): CellsAhead | null {
  const fields = columns.flatMap(({ field, dictionary }) => {
    const isText = dictionary !== null
    return field === null || isText !== (field.type === 'text') ? [] : [{ field, dictionary }]
  })
  return fields.length === columns.length ? new CellsAhead(fields, isHeld) : null
}

/** The type of a scanned cell's value. */
const CELL_OF = { number: 'number', text: 'string', boolean: 'boolean' } as const

function badCell(column: string, types: readonly CellType[], got: unknown): BadCell {
  return { column, wanted: types.join(' or '), got }
}

const isFiniteFloat32 = (number: number) => Number.isFinite(Math.fround(number))

/** Aggregates of the same decay share a sum: is this the first one? */
function isFirstDecay({ column, halfLifeMs }: Decay, at: number, all: readonly Decay[]): boolean {
  return all.findIndex((o) => o.column === column && o.halfLifeMs === halfLifeMs) === at
}

/**
 * The columns that aggregates read, in order, with the types that all their aggregates can take.
 */
function typesOf(aggregates: readonly Aggregate[]): Map<string, readonly CellType[]> {
  const types = new Map<string, readonly CellType[]>()
  for (const aggregate of aggregates) {
    const these = cellTypesOf(aggregate)
    for (const column of columnsOf(aggregate)) {
      types.set(column, types.get(column)?.filter((type) => these.includes(type)) ?? these)
    }
  }
  return types
}
