import type { Memory } from '../kernel/memory.ts'
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
import { called, type Events, type Read, type Reader } from './events.ts'
import { TextCache } from './text-cache.ts'

/**
 * Events of a chunk. Of most of them only columns are filled; such an event is made when a function
 * asks for it, once.
 */
export class ScannedEvents implements Events {
  /** A row an event. */
  readonly columns: ScannedColumns
  readonly #make: (index: number) => unknown
  /**
   * By index: what the columns' places are in; `null`: its event was made at once, and the columns
   * hold nothing of it.
   */
  readonly #memory: (Memory | null)[]
  readonly #made: unknown[] = []
  #count = 0

  /** @param make the event of a row, which the schema has let through already */
  constructor(columns: ScannedColumns, make: (index: number) => unknown) {
    this.columns = columns
    this.#make = make
    this.#memory = new Array<Memory | null>(columns.capacity).fill(null)
  }

  /** How many there are, and the row of the next one. */
  get count(): number {
    return this.#count
  }

  /** The next one is in its row. */
  addScanned(memory: Memory): void {
    this.#memory[this.#count++] = memory
  }

  /** The next one was made. */
  addMade(event: unknown): void {
    this.#made[this.#count++] = event
  }

  /** Takes back what was added beyond so many. */
  cut(count: number): void {
    this.#count = Math.min(this.#count, count)
    this.#memory.fill(null, count)
    this.#made.length = Math.min(this.#made.length, count)
  }

  /** What the columns' places of an event are in; `null`: the columns hold nothing of it. */
  memoryOf(index: number): Memory | null {
    return this.#memory[index] ?? null
  }

  at(index: number): unknown {
    // An event is an object.
    this.#made[index] ??= this.#make(index)
    return this.#made[index]
  }
}

/**
 * How functions are asked whose events have these columns: what they merely pick is read there, all
 * else they are called for.
 */
export function columnReader(forms: readonly ColumnForm[]): Reader {
  return <R>(of: EventFunction<R>) => {
    const reading = readFunction(of)
    return ('why' in reading ? null : columnRead(of, reading.expression, forms)) ?? called(of)
  }
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

/** A value that only the event itself tells. */
const UNKNOWN = Symbol('unknown')
/** No cell has what is asked for. */
export const NO_CELL = -1

/** A field that lies in a column. */
export class FieldRead<R> implements Read<R> {
  readonly type: ColumnType
  readonly column: number
  readonly #of: EventFunction<R>
  // Of a deeper one that is not there something on the way may be missing, on which the function
  // throws.
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

  /** The cell that has it; {@link NO_CELL}: only {@link of} tells. */
  cellIn(events: ScannedEvents, index: number): number {
    const { columns } = events
    const cell = this.column * columns.capacity + index
    const isThere = events.memoryOf(index) !== null && columns.states[cell] === PRESENT
    return isThere ? cell : NO_CELL
  }

  /** `UNKNOWN`: only the event itself tells. */
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
