import { type ColumnType, PRESENT } from '../../columns/columns.ts'
import { called, type Events, type Read, type Reader } from '../../columns/events.ts'
import { FieldRead, NO_CELL, ScannedEvents } from '../../columns/scanned-events.ts'
import type { Memory } from '../../kernel/bytes.ts'
import {
  type Aggregate,
  aggregateRule,
  type CellType,
  cellTypesOf,
  columnsOf,
  type Need,
  parameterOf,
} from '../../topology/aggregates.ts'
import type { Cell, EventFunction } from '../../topology/definition.ts'
import { Dictionary } from './dictionary.ts'
import type { NextEvents } from './histories.ts'
import { type HistorySizes, type Layout, layoutOf } from './layout.ts'
import { Slabs } from './slabs.ts'
import type { Decay } from './summaries.ts'

export interface BadCell {
  readonly column: string
  /** Types, such as `number or boolean`. */
  readonly wanted: string
  readonly got: unknown
}

/** One number that is infinite as a float32 would spoil its key's features for a whole window. */
export type Precision = 'float32' | 'float64'

const NO_EVENT = -1

interface Column {
  readonly name: string
  readonly types: readonly CellType[]
  readonly read: Read<unknown>
  /** The field that it reads, if that has one of the types. */
  readonly field: FieldRead<unknown> | null
  /** `null`: it holds no texts. */
  readonly dictionary: Dictionary | null
}

/**
 * Converts between cells and a history's numbers. A column has the types that all its aggregates
 * take.
 */
export class EventColumns {
  readonly layout: Layout
  readonly #columns: readonly Column[]
  readonly #isHeld: (number: number) => boolean
  readonly #index: ReadonlyMap<string, number>
  // The current event, by column: where its scanned cell is, or the cell itself, and its number.
  readonly #places: Int32Array
  readonly #cells: Cell[] = []
  readonly #numbers: Float64Array
  /** `null`: not every column can be read ahead. */
  readonly #ahead: CellsAhead | null
  /** {@link NO_EVENT}: the current event was not read ahead. */
  #aheadAt = NO_EVENT
  /** `null`: the current event was not scanned. */
  #scanned: ScannedEvents | null = null
  #memory: Memory | null = null

  /** @param o `reader`: how functions are evaluated, @default they are called */
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

  get texts(): number {
    return this.layout.texts.reduce((sum, { dictionary }) => sum + dictionary.size, 0)
  }

  get bytes(): number {
    const { slabs, texts } = this.layout
    return texts.reduce((sum, { dictionary }) => sum + dictionary.bytes, slabs.bytes)
  }

  /** Checks at most `most` texts of a column. */
  expire(most: number): void {
    for (const { dictionary } of this.layout.texts) dictionary.expire(most)
    this.#ahead?.forget()
  }

  readAhead({ events, indices }: Pick<NextEvents, 'events' | 'indices'>): void {
    if (events instanceof ScannedEvents) this.#ahead?.read(events, indices)
  }

  /** Columns in a history; 0: the aggregate has none. */
  placeOf(aggregate: Aggregate): { column: number; over: number } {
    const [column = 0, over = 0] = this.#placesOf(aggregate)
    return { column, over }
  }

  /** Reads an event. May throw whatever an author's function throws. @returns the first bad cell */
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

  /** The event read last, as the numbers of a history. Its texts are held from now on. */
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

  /** The value of an aggregate's number; `null`: none. Call it before its events are pruned. */
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

const CELL_OF = { number: 'number', text: 'string', boolean: 'boolean' } as const

function badCell(column: string, types: readonly CellType[], got: unknown): BadCell {
  return { column, wanted: types.join(' or '), got }
}

const isFiniteFloat32 = (number: number) => Number.isFinite(Math.fround(number))

function isFirstDecay({ column, halfLifeMs }: Decay, at: number, all: readonly Decay[]): boolean {
  return all.findIndex((o) => o.column === column && o.halfLifeMs === halfLifeMs) === at
}

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

interface FieldColumn {
  readonly field: FieldRead<unknown>
  readonly dictionary: Dictionary | null
}

/** Numbers of scanned events, read column by column: the processor then fetches texts ahead. */
class CellsAhead {
  readonly #columns: readonly FieldColumn[]
  readonly #isHeld: (number: number) => boolean
  #events: ScannedEvents | null = null
  #isRead = new Uint8Array(0)
  #numbers = new Float64Array(0)

  constructor(columns: readonly FieldColumn[], isHeld: (number: number) => boolean) {
    this.#columns = columns
    this.#isHeld = isHeld
  }

  /** Leaves out events with a value that no window can hold. Valid until dictionaries expire. */
  read(events: ScannedEvents, indices: readonly number[]): void {
    const { count } = events
    if (this.#isRead.length < count) {
      this.#isRead = new Uint8Array(count)
      this.#numbers = new Float64Array(count * this.#columns.length)
    }
    this.#events = events
    this.#isRead.fill(0)
    for (const index of indices) this.#isRead[index] = events.memoryOf(index) === null ? 0 : 1
    for (const [c, { field, dictionary }] of this.#columns.entries()) {
      const cells = field.column * events.columns.capacity
      if (dictionary === null) this.#readNumbers(c, cells, indices)
      else this.#readTexts(c, { cells, dictionary }, indices)
    }
  }

  has(events: Events, index: number): boolean {
    return events === this.#events && this.#isRead[index] === 1
  }

  hold(index: number, into: Float64Array): void {
    const capacity = this.#isRead.length
    for (let c = 0; c < this.#columns.length; c++) {
      const number = this.#numbers[c * capacity + index] as number
      into[c] = number
      this.#columns[c]?.dictionary?.hold(number)
    }
  }

  forget(): void {
    this.#events = null
  }

  #readNumbers(c: number, cells: number, indices: readonly number[]): void {
    const { states, numbers } = (this.#events as ScannedEvents).columns
    const [isRead, own, base] = [this.#isRead, this.#numbers, c * this.#isRead.length]
    for (const index of indices) {
      const number = numbers[cells + index] as number
      own[base + index] = number
      if (states[cells + index] !== PRESENT || !this.#isHeld(number)) isRead[index] = 0
    }
  }

  #readTexts(
    c: number,
    { cells, dictionary }: { readonly cells: number; readonly dictionary: Dictionary },
    indices: readonly number[],
  ): void {
    const events = this.#events as ScannedEvents
    const { states, starts, ends } = events.columns
    const [isRead, own, base] = [this.#isRead, this.#numbers, c * this.#isRead.length]
    for (const index of indices) {
      if (isRead[index] === 0) continue
      if (states[cells + index] !== PRESENT) {
        isRead[index] = 0
        continue
      }
      const memory = events.memoryOf(index) as Memory
      const from = starts[cells + index] as number
      own[base + index] = dictionary.numberOfBytes(memory, from, ends[cells + index] as number)
    }
  }
}

/** Like pandas: null, undefined or NaN. */
export function isMissing(value: unknown): boolean {
  return value === null || value === undefined || Number.isNaN(value)
}
