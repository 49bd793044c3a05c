import { ScannedColumns } from '../../columns/columns.ts'
import type { Place } from '../../kernel/bytes.ts'
import { boundOf, type RowScan, UNNAMED } from './bound.ts'
import { compileLayout, recordLayoutOf } from './layout.ts'
import { ANY_NUMBER, ANY_TEXT, NO_SCALAR, type PlainField } from './plain.ts'
import { Walker } from './walker.ts'

/** A kind of values that a field has had; `json`: objects and arrays. */
type FieldKind = 'text' | 'integer' | 'number' | 'boolean' | 'json' | 'null'

/** By field, the kinds of its values. */
export type FieldKinds = Readonly<Record<string, readonly FieldKind[]>>

const NO_COLUMNS = new ScannedColumns([], 1)
const MOST_LAYOUTS = 8

/**
 * The fields of all objects that were written, as the columns of a table; another value is a field
 * `value`. An object is parsed only when it has a layout that none before it had.
 */
export class Shape {
  readonly #fields = new Map<string, Set<FieldKind>>()
  #layouts: RowScan[] = []

  constructor(kinds: FieldKinds = {}) {
    this.merge(kinds)
  }

  get fields(): FieldKinds {
    return Object.fromEntries([...this.#fields].map(([name, kinds]) => [name, [...kinds]]))
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
    for (const [name, kinds] of Object.entries(others)) {
      for (const kind of kinds) this.#widen(name, kind)
    }
  }

  #widen(name: string, kind: FieldKind): void {
    const kinds = this.#fields.get(name) ?? new Set()
    this.#fields.set(name, kinds)
    if (kinds.has(kind)) return
    kinds.add(kind)
    this.#layouts = []
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

/** A kind that holds values of all the given ones: `json` if they are mixed, text if all are null. */
export function columnKind(kinds: readonly FieldKind[]): Exclude<FieldKind, 'null'> {
  const [first = 'text', ...others] = kinds.filter((kind) => kind !== 'null')
  if (others.length === 0) return first
  const areNumbers = [first, ...others].every((kind) => kind === 'integer' || kind === 'number')
  return areNumbers ? 'number' : 'json'
}

function kindOf(value: unknown): FieldKind {
  if (value === null) return 'null'
  if (typeof value === 'string') return 'text'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number'
  return 'json'
}

function plainField([name, kinds]: readonly [string, ReadonlySet<FieldKind>]): PlainField {
  if (kinds.has('json')) {
    return { name, isOptional: true, value: { kind: 'opaque', why: 'it has objects' } }
  }
  const isInteger = !kinds.has('number')
  const value = {
    ...NO_SCALAR,
    isNullable: kinds.has('null'),
    ...(kinds.has('text') && { text: ANY_TEXT }),
    ...(kinds.has('boolean') && { booleans: [false, true] }),
    ...((kinds.has('integer') || !isInteger) && { number: { ...ANY_NUMBER, isInteger } }),
  }
  return { name, isOptional: true, value }
}
