import { ScannedColumns } from '../../columns/columns.ts'
import type { Place } from '../../kernel/bytes.ts'
import { boundOf, type RowScan, UNNAMED } from './bound.ts'
import { compileLayout, recordLayoutOf } from './layout.ts'
import { ANY_NUMBER, ANY_TEXT, NO_SCALAR, type PlainField } from './plain.ts'
import { Walker } from './walker.ts'

/** The kind of a field's values; `json`: objects, arrays, or different kinds. */
type FieldKind = 'text' | 'integer' | 'number' | 'boolean' | 'json'

interface Field {
  /** `null`: only null so far. */
  kind: FieldKind | null
  mayBeNull: boolean
}

export type FieldKinds = Readonly<Record<string, Readonly<Field>>>

const NO_COLUMNS = new ScannedColumns([], 1)
const MOST_LAYOUTS = 8

/**
 * The fields of all objects that were written, as the columns of a table; another value is a field
 * `value`. An object is parsed only when it has a layout that none before it had.
 */
export class Shape {
  readonly #fields: Map<string, Field>
  #layouts: RowScan[] = []

  constructor(known: FieldKinds = {}) {
    this.#fields = new Map(Object.entries(known).map(([name, field]) => [name, { ...field }]))
  }

  get fields(): FieldKinds {
    return Object.fromEntries(this.#fields)
  }

  add(place: Place): void {
    for (const scan of this.#layouts) if (scan(place, NO_COLUMNS, 0)) return
    const { memory, from, to } = place
    const value: unknown = JSON.parse(memory.text(from, to))
    this.widen(kindOf(value) === 'json' && !Array.isArray(value) ? (value as object) : { value })
    this.#learn(place)
  }

  /** Adds the fields of an object, or of a table of the same outputs. */
  widen(object: object): void {
    for (const [name, value] of Object.entries(object)) this.#widen(name, kindOf(value))
  }

  merge(others: FieldKinds): void {
    for (const [name, { kind, mayBeNull }] of Object.entries(others)) {
      this.#widen(name, kind)
      if (mayBeNull) this.#widen(name, null)
    }
  }

  /** @param kind `null`: a value is null */
  #widen(name: string, kind: FieldKind | null): void {
    const field = this.#fields.get(name) ?? { kind: null, mayBeNull: false }
    this.#fields.set(name, field)
    const before = { ...field }
    if (kind === null) field.mayBeNull = true
    else field.kind = field.kind === null ? kind : both(field.kind, kind)
    const isSame = before.kind === field.kind && before.mayBeNull === field.mayBeNull
    if (!isSame) this.#layouts = []
  }

  #learn(place: Place): void {
    const fields = [...this.#fields].map(plainField)
    const walker = new Walker(boundOf({ kind: 'object', isNullable: false, fields }, []))
    if (!walker.walk(place, NO_COLUMNS, 0)) return
    const { trace } = walker
    if (trace.scalars.slice(0, trace.count).includes(UNNAMED)) return
    const layout = recordLayoutOf(place.memory.bytes, place, trace)
    if (layout === null) return
    if (this.#layouts.length === MOST_LAYOUTS) this.#layouts.shift()
    this.#layouts.push(compileLayout(layout, 0))
  }
}

function kindOf(value: unknown): FieldKind | null {
  if (value === null) return null
  if (typeof value === 'string') return 'text'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number'
  return 'json'
}

function both(a: FieldKind, b: FieldKind): FieldKind {
  if (a === b) return a
  const areNumbers = [a, b].every((kind) => kind === 'integer' || kind === 'number')
  return areNumbers ? 'number' : 'json'
}

function plainField([name, { kind, mayBeNull }]: readonly [string, Field]): PlainField {
  if (kind === 'json') {
    return { name, isOptional: true, value: { kind: 'opaque', why: 'it has several kinds' } }
  }
  const value = {
    ...NO_SCALAR,
    isNullable: mayBeNull,
    ...(kind === 'text' && { text: ANY_TEXT }),
    ...(kind === 'boolean' && { booleans: [false, true] }),
    ...(kind === 'number' && { number: ANY_NUMBER }),
    ...(kind === 'integer' && { number: { ...ANY_NUMBER, isInteger: true } }),
  }
  return { name, isOptional: true, value }
}
