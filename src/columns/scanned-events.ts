import { KeyedHash, type Memory } from '../kernel/bytes.ts'
import { isoTimeAt } from '../kernel/iso-time.ts'
import type { EventFunction } from '../topology/definition.ts'
import { type Expression, readFunction } from '../topology/function-reading.ts'
import { timeMs } from '../topology/times.ts'
import {
  type ColumnForm,
  type ColumnType,
  type FieldPath,
  NULL,
  PRESENT,
  type ScannedColumns,
} from './columns.ts'
import { called, type Events, picking, type Read, type Reader } from './events.ts'

/** Events of a chunk, most of them as columns only: objects are created when first needed. */
export class ScannedEvents implements Events {
  readonly columns: ScannedColumns
  readonly #make: (index: number) => unknown
  /** By index: the memory of the columns' offsets; `null`: the columns lack the event. */
  readonly #memory: (Memory | null)[]
  readonly #made: unknown[] = []
  #count = 0

  /** @param make creates the event of a row, which the schema has already accepted */
  constructor(columns: ScannedColumns, make: (index: number) => unknown) {
    this.columns = columns
    this.#make = make
    this.#memory = new Array<Memory | null>(columns.capacity).fill(null)
  }

  get count(): number {
    return this.#count
  }

  /** Adds the event whose fields have been written to the next row. */
  addScanned(memory: Memory): void {
    this.#memory[this.#count++] = memory
  }

  addMade(event: unknown): void {
    this.#made[this.#count++] = event
  }

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

/** Reads fields that a function only picks from columns; calls all other functions. */
export function columnReader(forms: readonly ColumnForm[]): Reader {
  const read = <R>(get: EventFunction<R>): Read<R> => {
    const reading = readFunction(get)
    return ('why' in reading ? null : columnRead(get, reading.expression, forms)) ?? called(get)
  }
  const field = (name: string) => fieldRead(picking(name), [name], forms) ?? called.field(name)
  return Object.assign(read, { field })
}

function columnRead<R>(
  get: EventFunction<R>,
  expression: Expression,
  forms: readonly ColumnForm[],
): Read<R> | null {
  switch (expression.is) {
    case 'pick':
      return fieldRead(get, expression.path, forms)
    case 'equals': {
      const field = fieldRead(get, expression.path, forms)
      const { to, negated } = expression
      if (field === null) return null
      return {
        of: (events, index) => {
          const value = field.valueIn(events, index)
          return value === UNKNOWN ? get(events.at(index)) : (((value === to) !== negated) as R)
        },
      }
    }
    case 'time':
      return timeRead(get, expression, forms)
    case 'literal':
      return { of: () => expression.value as R }
    case 'object':
      return null
  }
}

/** A time that is a number is converted each time: its column holds the number itself. */
function timeRead<R>(
  get: EventFunction<R>,
  { path, unit }: Extract<Expression, { is: 'time' }>,
  forms: readonly ColumnForm[],
): Read<R> | null {
  const column = columnAt(path, forms)
  const form = forms[column]
  if (form === undefined) return null
  if (unit === 'iso') {
    return form.type === 'text' ? new FieldRead(get, column, { ...form, isTime: true }) : null
  }
  const field = new FieldRead(get, column, form)
  return {
    of(events, index) {
      const value = field.valueIn(events, index)
      if (typeof value === 'number') return timeMs(value, unit) as R
      return value === null || value === undefined ? (value as R) : get(events.at(index))
    },
  }
}

function fieldRead<R>(
  get: EventFunction<R>,
  path: FieldPath,
  forms: readonly ColumnForm[],
): FieldRead<R> | null {
  const column = columnAt(path, forms)
  const form = forms[column]
  return form === undefined ? null : new FieldRead(get, column, form)
}

function columnAt(path: FieldPath, forms: readonly ColumnForm[]): number {
  return forms.findIndex((form) => JSON.stringify(form.path) === JSON.stringify(path))
}

/** A value that can only be read from the event object. */
const UNKNOWN = Symbol('unknown')
export const NO_CELL = -1

export class FieldRead<R> implements Read<R> {
  readonly type: ColumnType
  /** Whether it is the number of a time that is a text in the column. {@link cellIn} writes it. */
  readonly isTime: boolean
  readonly column: number
  readonly #get: EventFunction<R>
  // Results for an absent and for a null field. Where an object on the path to a nested field may
  // be missing, the function throws, so it must be called.
  readonly #ofNone: unknown
  readonly #ofNull: unknown
  readonly #texts = new TextCache()

  constructor(
    get: EventFunction<R>,
    column: number,
    { path, type, isTime = false }: ColumnForm & { readonly isTime?: boolean },
  ) {
    this.type = isTime ? 'number' : type
    this.isTime = isTime
    this.#get = get
    this.column = column
    this.#ofNone = path.length === 1 ? undefined : UNKNOWN
    this.#ofNull = path.length === 1 ? null : UNKNOWN
  }

  of(events: Events, index: number): R {
    const value = this.valueIn(events, index)
    return value === UNKNOWN ? this.#get(events.at(index)) : (value as R)
  }

  /** The cell with the value; {@link NO_CELL}: only {@link of} can tell. */
  cellIn(events: ScannedEvents, index: number): number {
    const { columns } = events
    const cell = this.column * columns.capacity + index
    const memory = events.memoryOf(index)
    if (memory === null || columns.states[cell] !== PRESENT) return NO_CELL
    return this.isTime && !isParsed(columns, cell, memory) ? NO_CELL : cell
  }

  /** `UNKNOWN`: the value can only be read from the event object. */
  valueIn(events: Events, index: number): unknown {
    if (!(events instanceof ScannedEvents)) return UNKNOWN
    const memory = events.memoryOf(index)
    if (memory === null) return UNKNOWN
    const { columns } = events
    const { capacity, states, numbers, starts, ends } = columns
    const cell = this.column * capacity + index
    const state = states[cell]
    if (state !== PRESENT) return state === NULL ? this.#ofNull : this.#ofNone
    switch (this.type) {
      case 'number':
        return this.isTime && !isParsed(columns, cell, memory) ? UNKNOWN : numbers[cell]
      case 'boolean':
        return numbers[cell] === 1
      case 'text':
        return this.#texts.text(memory, starts[cell] as number, ends[cell] as number)
    }
  }
}

/** Writes the time of a cell's text into its unused number. @returns whether the text is a time */
function isParsed(columns: ScannedColumns, cell: number, memory: Memory): boolean {
  const { numbers, starts, ends } = columns
  const ms = isoTimeAt(memory.bytes, starts[cell] as number, ends[cell] as number)
  numbers[cell] = ms
  return !Number.isNaN(ms)
}

const SLOTS = 2 ** 14
/** Bytes; longer texts rarely repeat. */
const LONGEST = 64
/** Texts after which the cache decides whether most of them repeat. */
const TRIAL = 2 ** 14
/** Without a secret: texts that collide are only not cached. */
const HASH = new KeyedHash([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344])
const ASCII = 0x80

/**
 * Creates a text that repeats once: a new string takes memory, and every lookup hashes it again.
 * Not for a column whose texts mostly differ, as keys do.
 */
class TextCache {
  /** Empty until it is asked, as columns of numbers never are; `null`: most texts differ. */
  #texts: string[] | null = []
  #asked = 0
  #made = 0

  /** The text of the UTF-8 at `from` ≤ i < `to`. */
  text(memory: Memory, from: number, to: number): string {
    if (this.#texts === null || to - from > LONGEST) return memory.text(from, to)
    if (this.#asked++ === 0) this.#texts = new Array<string>(SLOTS).fill('')
    const texts = this.#texts
    const slot = HASH.of(memory, from, to) & (SLOTS - 1)
    const cachedText = texts[slot] as string
    if (cachedText.length === to - from && isSame(cachedText, memory.bytes, from)) return cachedText
    const text = memory.text(from, to)
    texts[slot] = text
    this.#made++
    if (this.#asked >= TRIAL && this.#made * 2 > this.#asked) this.#texts = null
    return text
  }
}

/** Whether a text has these bytes; one that is not ASCII never has. */
function isSame(text: string, bytes: Uint8Array, from: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const byte = bytes[from + i] as number
    if (byte >= ASCII || text.charCodeAt(i) !== byte) return false
  }
  return true
}
