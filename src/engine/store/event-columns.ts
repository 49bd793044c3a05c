import { PRESENT } from '../../columns/columns.ts'
import { called, type Events, type Read, type Reader } from '../../columns/events.ts'
import { FieldRead, NO_CELL, ScannedEvents } from '../../columns/scanned-events.ts'
import type { KeyedHash, Memory } from '../../kernel/bytes.ts'
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
import { timeFault } from '../../topology/times.ts'
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
type Precision = 'float32' | 'float64'

interface ColumnsContext {
  /** How functions are evaluated. @default they are called */
  readonly reader?: Reader
  readonly precision: Precision
  readonly hash: KeyedHash
  readonly sizes?: HistorySizes | undefined
}

export interface NamedRead {
  readonly name: string
  readonly read: Read<unknown>
}

interface Column extends NamedRead {
  readonly types: readonly CellType[]
  /** The field that it reads, if its cells can be copied; `null`: they cannot. */
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
  /** Numbers of the current event, by column. Nobody holds its texts before {@link hold}. */
  readonly #numbers: Float64Array
  /** `null`: not every column can be read ahead. */
  readonly #ahead: CellsAhead | null

  constructor(
    columns: Readonly<Record<string, EventFunction<unknown>>>,
    aggregates: readonly Aggregate[],
    { reader = called, precision, hash, sizes }: ColumnsContext,
  ) {
    this.#isHeld = precision === 'float32' ? isFiniteFloat32 : Number.isFinite
    this.#columns = [...typesOf(aggregates)].map(([name, types]) => {
      const read = reader(columns[name] as EventFunction<unknown>)
      const dictionary = types.includes('string') ? new Dictionary(hash) : null
      const isField = read instanceof FieldRead && types.includes(CELL_OF[read.type])
      const isCopied = isField && (dictionary !== null) === (read.type === 'text')
      return { name, types, read, field: isCopied ? read : null, dictionary }
    })
    this.#index = new Map(this.#columns.map((c, i) => [c.name, i + 1]))
    this.#numbers = new Float64Array(this.#columns.length)
    const all = this.#columns
    this.#ahead = all.every(isFieldColumn) ? new CellsAhead(all, this.#isHeld) : null
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
      hash,
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
    if (this.#ahead?.copy(events, index, this.#numbers) === true) return null
    for (let c = 0; c < this.#columns.length; c++) {
      const bad = this.#readCell(c, events, index)
      if (bad !== null) return bad
    }
    return null
  }

  /** The numbers of the event read last. */
  get numbers(): ArrayLike<number> {
    return this.#numbers
  }

  /** The event read last, as the numbers of a history. Its texts are held from now on. */
  hold(): ArrayLike<number> {
    for (const { column, dictionary } of this.layout.texts) {
      dictionary.hold(this.#numbers[column - 1] as number)
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

  #readCell(c: number, events: Events, index: number): BadCell | null {
    const column = this.#columns[c] as Column
    const { name, types, field, dictionary } = column
    if (field !== null && events instanceof ScannedEvents) {
      const place = field.cellIn(events, index)
      if (place !== NO_CELL) {
        const { numbers, starts, ends } = events.columns
        if (dictionary !== null) {
          const memory = events.memoryOf(index) as Memory
          const [from, to] = [starts[place] as number, ends[place] as number]
          this.#numbers[c] = dictionary.numberOfBytes(memory, from, to)
          return null
        }
        const number = numbers[place] as number
        this.#numbers[c] = number
        return this.#isHeld(number) ? null : badCell(name, types, number)
      }
    }
    const cell = readColumn(column, events, index)
    const fits = types.includes(typeof cell as CellType)
    if (!fits || (typeof cell === 'number' && !this.#isHeld(cell))) {
      return badCell(name, types, cell)
    }
    this.#numbers[c] = dictionary === null ? Number(cell) : dictionary.numberOf(cell as Cell)
    return null
  }

  #placesOf(aggregate: Aggregate): number[] {
    return columnsOf(aggregate).map((name) => this.#index.get(name) as number)
  }
}

/** Reads a column's value of an event. May throw what an author's function throws. */
export function readColumn({ read, name }: NamedRead, events: Events, index: number): unknown {
  try {
    return read.of(events, index)
  } catch (thrown) {
    throw timeFault(thrown, `column "${name}"`) ?? thrown
  }
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

type FieldColumn = Column & { readonly field: FieldRead<unknown> }

function isFieldColumn(column: Column): column is FieldColumn {
  return column.field !== null
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
      if (field.isTime) for (const index of indices) field.cellIn(events, index)
      if (dictionary === null) this.#readNumbers(c, cells, indices)
      else this.#readTexts(c, { cells, dictionary }, indices)
    }
  }

  /** @returns false: the event was not read ahead */
  copy(events: Events, index: number, into: Float64Array): boolean {
    if (events !== this.#events || this.#isRead[index] !== 1) return false
    const capacity = this.#isRead.length
    for (let c = 0; c < this.#columns.length; c++) {
      into[c] = this.#numbers[c * capacity + index] as number
    }
    return true
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
