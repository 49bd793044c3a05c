import type { Memory } from '../kernel/bytes.ts'
import type { EventFunction } from '../topology/definition.ts'
import { type Expression, readFunction } from '../topology/function-reading.ts'
import {
  type ColumnForm,
  type ColumnType,
  type FieldPath,
  NULL,
  PRESENT,
  type ScannedColumns,
} from './columns.ts'
import { called, type Events, picking, type Read, type Reader } from './events.ts'
import { TextCache } from './text-cache.ts'

/**
 * Events of a chunk. For most of them only columns are filled; the event object is then created
 * once, when a function needs it.
 */
export class ScannedEvents implements Events {
  /** One row per event. */
  readonly columns: ScannedColumns
  readonly #make: (index: number) => unknown
  /**
   * By index: the memory that the columns' offsets refer to; `null`: the event object was created
   * at once, and the columns hold nothing of it.
   */
  readonly #memory: (Memory | null)[]
  readonly #made: unknown[] = []
  #count = 0

  /** @param make creates the event of a row, which the schema has already accepted */
  constructor(columns: ScannedColumns, make: (index: number) => unknown) {
    this.columns = columns
    this.#make = make
    this.#memory = new Array<Memory | null>(columns.capacity).fill(null)
  }

  /** Number of events, and the row of the next one. */
  get count(): number {
    return this.#count
  }

  /** Adds the event whose fields have been written to the next row. */
  addScanned(memory: Memory): void {
    this.#memory[this.#count++] = memory
  }

  /** Adds an event as an object. */
  addMade(event: unknown): void {
    this.#made[this.#count++] = event
  }

  /** Removes the events from index `count` on. */
  cut(count: number): void {
    this.#count = Math.min(this.#count, count)
    this.#memory.fill(null, count)
    this.#made.length = Math.min(this.#made.length, count)
  }

  /**
   * The memory that an event's offsets in the columns refer to; `null`: the columns hold nothing of
   * it.
   */
  memoryOf(index: number): Memory | null {
    return this.#memory[index] ?? null
  }

  at(index: number): unknown {
    if (this.#made[index] === undefined && this.#memory[index] !== null) {
      this.#made[index] = this.#make(index)
    }
    return this.#made[index]
  }
}

/**
 * The reader for events with these columns: fields that a function merely picks are read from their
 * columns; all other functions are called.
 */
export function columnReader(forms: readonly ColumnForm[]): Reader {
  const read = <R>(of: EventFunction<R>): Read<R> => {
    const reading = readFunction(of)
    return ('why' in reading ? null : columnRead(of, reading.expression, forms)) ?? called(of)
  }
  const field = (name: string) => fieldRead(picking(name), [name], forms) ?? called.field(name)
  return Object.assign(read, { field })
}

function columnRead<R>(
  of: EventFunction<R>,
  expression: Expression,
  forms: readonly ColumnForm[],
): Read<R> | null {
  switch (expression.is) {
    case 'pick':
      return fieldRead(of, expression.path, forms)
    case 'equals': {
      const field = fieldRead(of, expression.path, forms)
      const { to, negated } = expression
      if (field === null) return null
      return {
        of: (events, index) => {
          const value = field.valueIn(events, index)
          return value === UNKNOWN ? of(events.at(index)) : (((value === to) !== negated) as R)
        },
      }
    }
    case 'literal':
      return { of: () => expression.value as R }
    case 'object':
      return null
  }
}

function fieldRead<R>(
  of: EventFunction<R>,
  path: FieldPath,
  forms: readonly ColumnForm[],
): FieldRead<R> | null {
  const column = forms.findIndex((form) => JSON.stringify(form.path) === JSON.stringify(path))
  const form = forms[column]
  return form === undefined ? null : new FieldRead(of, column, form)
}

/** A value that can only be read from the event object. */
const UNKNOWN = Symbol('unknown')
/** No cell has the value. */
export const NO_CELL = -1

/** Reads a field that has a column. */
export class FieldRead<R> implements Read<R> {
  readonly type: ColumnType
  readonly column: number
  readonly #of: EventFunction<R>
  // Results for an absent and for a null field. For a nested field, an object on the path to it may
  // be missing, in which case the function throws: so it must be called.
  readonly #ofNone: unknown
  readonly #ofNull: unknown
  readonly #texts = new TextCache()

  constructor(of: EventFunction<R>, column: number, { path, type }: ColumnForm) {
    this.type = type
    this.#of = of
    this.column = column
    this.#ofNone = path.length === 1 ? undefined : UNKNOWN
    this.#ofNull = path.length === 1 ? null : UNKNOWN
  }

  of(events: Events, index: number): R {
    const value = this.valueIn(events, index)
    return value === UNKNOWN ? this.#of(events.at(index)) : (value as R)
  }

  /** Index of the cell with the value; {@link NO_CELL}: only {@link of} can tell. */
  cellIn(events: ScannedEvents, index: number): number {
    const { columns } = events
    const cell = this.column * columns.capacity + index
    const isThere = events.memoryOf(index) !== null && columns.states[cell] === PRESENT
    return isThere ? cell : NO_CELL
  }

  /** The value; `UNKNOWN`: it can only be read from the event object. */
  valueIn(events: Events, index: number): unknown {
    if (!(events instanceof ScannedEvents)) return UNKNOWN
    const memory = events.memoryOf(index)
    if (memory === null) return UNKNOWN
    const { capacity, states, numbers, starts, ends } = events.columns
    const cell = this.column * capacity + index
    const state = states[cell]
    if (state !== PRESENT) return state === NULL ? this.#ofNull : this.#ofNone
    switch (this.type) {
      case 'number':
        return numbers[cell]
      case 'boolean':
        return numbers[cell] === 1
      case 'text':
        return this.#texts.text(memory, starts[cell] as number, ends[cell] as number)
    }
  }
}
