import type { Memory } from '../kernel/memory.ts'
import { type Expression, readFunction } from '../topology/function-reading.ts'
import { type ColumnForm, type FieldPath, NULL, PRESENT, type ScannedColumns } from './columns.ts'
import { called, type Events, type Read, type Reader } from './events.ts'
import { TextCache } from './text-cache.ts'

/** Events of a chunk. Of most of them only columns are filled; such an event is made when a function asks for it, once. */
export class ScannedEvents implements Events {
  /** A row an event. */
  readonly columns: ScannedColumns
  readonly #make: (index: number) => unknown
  /** By index: what the columns' places are in; `null`: its event was made at once, and the columns hold nothing of it. */
  readonly #memory: (Memory | null)[] = []
  readonly #made: unknown[] = []

  /** @param make the event of a row, which the schema has let through already */
  constructor(columns: ScannedColumns, make: (index: number) => unknown) {
    this.columns = columns
    this.#make = make
  }

  /** How many there are, and the row of the next one. */
  get count(): number {
    return this.#memory.length
  }

  /** The next one is in its row. */
  addScanned(memory: Memory): void {
    this.#memory.push(memory)
  }

  /** The next one was made. */
  addMade(event: unknown): void {
    this.#made[this.#memory.length] = event
    this.#memory.push(null)
  }

  /** Takes back what was added beyond so many. */
  cut(count: number): void {
    this.#memory.length = Math.min(this.#memory.length, count)
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

/** How functions are asked whose events have these columns: what they merely pick is read there, all else they are called for. */
export function columnReader(forms: readonly ColumnForm[]): Reader {
  return (of) => {
    const reading = readFunction(of)
    const read = 'why' in reading ? null : columnRead(reading.expression, forms)
    if (read === null) return called(of)
    return ((events: Events, index: number) => {
      if (events instanceof ScannedEvents) {
        const memory = events.memoryOf(index)
        if (memory !== null) {
          const value = read(events.columns, index, memory)
          if (value !== UNKNOWN) return value
        }
      }
      return of(events.at(index))
    }) as Read<never>
  }
}

/** A value that only the event itself tells. */
const UNKNOWN = Symbol('unknown')

type ColumnRead = (columns: ScannedColumns, index: number, memory: Memory) => unknown
type CellRead = (columns: ScannedColumns, cell: number, memory: Memory) => unknown

function columnRead(expression: Expression, forms: readonly ColumnForm[]): ColumnRead | null {
  switch (expression.is) {
    case 'pick':
      return pickRead(expression.path, forms)
    case 'equals': {
      const pick = pickRead(expression.path, forms)
      const { to, negated } = expression
      if (pick === null) return null
      return (columns, index, memory) => {
        const value = pick(columns, index, memory)
        return value === UNKNOWN ? UNKNOWN : (value === to) !== negated
      }
    }
    case 'literal':
      return () => expression.value
    case 'object':
      return null
  }
}

/** What a column has for an event: the value that the event itself has in its field. */
function pickRead(path: FieldPath, forms: readonly ColumnForm[]): ColumnRead | null {
  const c = forms.findIndex((form) => JSON.stringify(form.path) === JSON.stringify(path))
  const form = forms[c]
  if (form === undefined) return null
  // Of a deeper one that is not there something on the way may be missing, on which the function throws.
  const [ofNone, ofNull] = path.length === 1 ? [undefined, null] : [UNKNOWN, UNKNOWN]
  const valueOf = valueRead(form.type)
  return (columns, index, memory) => {
    const cell = c * columns.capacity + index
    const state = columns.states[cell]
    if (state === PRESENT) return valueOf(columns, cell, memory)
    return state === NULL ? ofNull : ofNone
  }
}

function valueRead(type: ColumnForm['type']): CellRead {
  switch (type) {
    case 'number':
      return ({ numbers }, cell) => numbers[cell]
    case 'boolean':
      return ({ numbers }, cell) => numbers[cell] === 1
    case 'text': {
      const texts = new TextCache()
      return ({ starts, ends }, cell, memory) =>
        texts.text(memory, starts[cell] as number, ends[cell] as number)
    }
  }
}
