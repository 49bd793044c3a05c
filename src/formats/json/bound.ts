import type { ColumnForm, ColumnType, FieldPath, ScannedColumns } from '../../columns/columns.ts'
import type { Memory } from '../../kernel/bytes.ts'
import {
  ANY_SCALAR,
  isBare,
  type PlainObject,
  type PlainUnion,
  type PlainValue,
  type Scalar,
} from './plain.ts'
import { utf8 } from './tokens.ts'

// A plain schema with its field names as bytes, and the columns that are filled from its fields.

export interface BoundScalar {
  readonly kind: 'scalar'
  readonly rule: Scalar
  /** Index of the column; −1: none. */
  readonly column: number
  /** Allowed texts, in UTF-8 with the closing quote; `null`: any. */
  readonly words: readonly Uint8Array[] | null
}

export interface BoundField {
  /** From 0; unique in the schema. */
  readonly id: number
  /** In UTF-8, with the closing quote. */
  readonly name: Uint8Array
  readonly isOptional: boolean
  readonly value: BoundValue
}

export interface BoundObject {
  readonly kind: 'object'
  readonly fields: readonly BoundField[]
  readonly required: number
  readonly isNullable: boolean
}

export interface BoundUnion {
  readonly kind: 'union'
  readonly options: readonly BoundObject[]
  /** Columns that any of the options fills. */
  readonly columns: readonly number[]
  readonly isNullable: boolean
}

interface BoundOpaque {
  readonly kind: 'opaque'
}

export type BoundValue = BoundScalar | BoundObject | BoundUnion | BoundOpaque

export interface Bound {
  readonly root: BoundObject | BoundUnion
  /** In the order of `wanted`. */
  readonly columns: readonly ColumnForm[]
  readonly fields: number
}

/** A field that the schema does not name. */
export const UNNAMED: BoundScalar = { kind: 'scalar', rule: ANY_SCALAR, column: -1, words: null }

/**
 * @param wanted fields, each once; one that cannot be scanned, or has several types, gets no column
 */
export function boundOf(plain: PlainObject | PlainUnion, wanted: readonly FieldPath[]): Bound {
  const tried = new Binder(wanted)
  tried.root(plain)
  const columns = tried.columns.filter((column) => column !== null)
  const binder = new Binder(columns.map(({ path }) => path))
  return { root: binder.root(plain), columns, fields: binder.fields }
}

/** Whether the value at a path, or an object around it, may be missing. */
type Presence = Pick<ColumnForm, 'isOptional' | 'isWithinOptional'>

const ALWAYS: Presence = { isOptional: false, isWithinOptional: false }

/** A value in the schema. */
interface SchemaForm extends Presence {
  readonly path: FieldPath
  readonly type: ColumnType | 'object'
}

class Binder {
  fields = 0
  readonly #wanted: readonly FieldPath[]
  readonly #paths: readonly string[]
  /** By column: the values at its path. */
  readonly #forms: readonly SchemaForm[][]

  constructor(wanted: readonly FieldPath[]) {
    this.#wanted = wanted
    this.#paths = wanted.map((path) => JSON.stringify(path))
    this.#forms = wanted.map(() => [])
  }

  /** In the order of `wanted`; `null`: a field that gets no column. */
  get columns(): (ColumnForm | null)[] {
    return this.#wanted.map((path, c) => {
      const forms = this.#forms[c] as SchemaForm[]
      const [type, ...others] = new Set(forms.map((form) => form.type))
      if (type === undefined || type === 'object' || others.length > 0) return null
      const isOptional = forms.some((form) => form.isOptional)
      const isWithinOptional = forms.some((form) => form.isWithinOptional)
      return { path, type, isOptional, isWithinOptional }
    })
  }

  root(plain: PlainObject | PlainUnion): BoundObject | BoundUnion {
    // Null in place of an event is reported elsewhere.
    return this.#value({ ...plain, isNullable: false }, [], ALWAYS) as BoundObject | BoundUnion
  }

  #value(plain: PlainValue, path: FieldPath, presence: Presence): BoundValue {
    switch (plain.kind) {
      case 'scalar':
        return this.#scalar(plain, path, presence)
      case 'object':
        return this.#object(plain, path, presence)
      case 'union':
        return this.#union(plain, path, presence)
      case 'opaque':
        return { kind: 'opaque' }
    }
  }

  #scalar(rule: Scalar, path: FieldPath, presence: Presence): BoundScalar {
    const column = this.#columnOf(path)
    for (const type of typesOf(rule)) this.#forms[column]?.push({ path, type, ...presence })
    const words = rule.text?.oneOf?.filter(isBare).map((text) => utf8(`${text}"`)) ?? null
    return { kind: 'scalar', rule, column, words }
  }

  #object(
    { fields, isNullable }: PlainObject,
    path: FieldPath,
    { isOptional, isWithinOptional }: Presence,
  ): BoundObject {
    this.#forms[this.#columnOf(path)]?.push({ path, type: 'object', isOptional, isWithinOptional })
    const isWithin = isWithinOptional || isOptional || isNullable
    return {
      kind: 'object',
      fields: fields.map(({ name, isOptional: isLeftOut, value }) => ({
        id: this.fields++,
        name: utf8(`${name}"`),
        isOptional: isLeftOut,
        value: this.#value(value, [...path, name], {
          isOptional: isLeftOut,
          isWithinOptional: isWithin,
        }),
      })),
      required: fields.filter(({ isOptional: isLeftOut }) => !isLeftOut).length,
      isNullable,
    }
  }

  /** A field of one option may be missing in another, and so may the fields inside it. */
  #union({ options, isNullable }: PlainUnion, path: FieldPath, presence: Presence): BoundUnion {
    const bound = options.map((option) => this.#object(option, path, presence))
    for (const forms of this.#forms) {
      for (const [f, form] of forms.entries()) {
        const depth = form.path.length - path.length
        if (depth < 1 || path.some((name, i) => form.path[i] !== name)) continue
        const isWithinOptional = form.isWithinOptional || depth > 1
        forms[f] = { ...form, isOptional: true, isWithinOptional }
      }
    }
    return { kind: 'union', options: bound, columns: bound.flatMap(columnsOf), isNullable }
  }

  /** Index of the column; −1: none. */
  #columnOf(path: FieldPath): number {
    return this.#paths.indexOf(JSON.stringify(path))
  }
}

function typesOf({ text, number, booleans }: Scalar): ColumnType[] {
  const types: ColumnType[] = []
  if (text !== null) types.push('text')
  if (number !== null) types.push('number')
  if (booleans.length > 0) types.push('boolean')
  return types
}

function columnsOf({ fields }: BoundObject): number[] {
  return fields.flatMap(({ value }) => {
    if (value.kind === 'object') return columnsOf(value)
    if (value.kind === 'union') return value.columns
    return value.kind === 'scalar' && value.column >= 0 ? [value.column] : []
  })
}

/** A value in memory. Reused for the next one. */
export interface RecordPlace {
  memory: Memory
  from: number
  to: number
}

/** Scans a value into a row, with offsets in the memory; false: the row is undefined. */
export type RowScan = (at: RecordPlace, columns: ScannedColumns, row: number) => boolean
