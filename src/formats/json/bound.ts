import type { ColumnForm, ColumnType, FieldPath, ScannedColumns } from '../../columns/columns.ts'
import type { Place } from '../../kernel/bytes.ts'
import {
  ANY_SCALAR,
  isBare,
  type Opaque,
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

export type BoundValue = BoundScalar | BoundObject | BoundUnion | Opaque

export interface Bound {
  readonly root: BoundObject | BoundUnion
  /** In the order of `wanted`. */
  readonly columns: readonly ColumnForm[]
  readonly fields: number
  /** Numbers of at least this size are not scanned; they are finite anyhow. */
  readonly below: number
}

/** A field that the schema does not name. */
export const UNNAMED: BoundScalar = { kind: 'scalar', rule: ANY_SCALAR, column: -1, words: null }

/** @param wanted each once; one that cannot be scanned, or has several types, gets no column */
export function boundOf(plain: PlainObject | PlainUnion, wanted: readonly FieldPath[]): Bound {
  // Null in place of an event is reported elsewhere.
  const event = { ...plain, isNullable: false }
  const columns = wanted.flatMap((path) => columnAt(event, path) ?? [])
  const paths = columns.map(({ path }) => JSON.stringify(path))
  let ids = 0
  const bindObject = ({ fields, isNullable }: PlainObject, path: FieldPath): BoundObject => {
    const required = fields.filter(({ isOptional }) => !isOptional).length
    const bound = fields.map(({ name, isOptional, value }) => ({
      id: ids++,
      name: utf8(`${name}"`),
      isOptional,
      value: bind(value, [...path, name]),
    }))
    return { kind: 'object', fields: bound, required, isNullable }
  }
  const bind = (value: PlainValue, path: FieldPath): BoundValue => {
    switch (value.kind) {
      case 'scalar': {
        const words = value.text?.oneOf?.filter(isBare).map((text) => utf8(`${text}"`)) ?? null
        return { kind: 'scalar', rule: value, column: paths.indexOf(JSON.stringify(path)), words }
      }
      case 'object':
        return bindObject(value, path)
      case 'union': {
        const options = value.options.map((option) => bindObject(option, path))
        return { ...value, options, columns: options.flatMap(columnsOf) }
      }
      case 'opaque':
        return value
    }
  }
  const root = bind(event, []) as BoundObject | BoundUnion
  return { root, columns, fields: ids, below: Infinity }
}

function columnAt(event: PlainValue, path: FieldPath): ColumnForm | null {
  const forms = formsAt(event, path, { isOptional: false, isWithinOptional: false })
  const [type, ...others] = new Set(forms.map((form) => form.type))
  if (type === undefined || type === 'object' || others.length > 0) return null
  const isOptional = forms.some((form) => form.isOptional)
  const isWithinOptional = forms.some((form) => form.isWithinOptional)
  return { path, type, isOptional, isWithinOptional }
}

/** Whether a value, or an object around it, may be missing. */
type Presence = Pick<ColumnForm, 'isOptional' | 'isWithinOptional'>

interface SchemaForm extends Presence {
  readonly type: ColumnType | 'object'
}

/** The values at a path, several where options of a union or types differ. */
function formsAt(plain: PlainValue, path: FieldPath, presence: Presence): SchemaForm[] {
  const [name, ...rest] = path
  if (plain.kind === 'opaque') return []
  if (plain.kind === 'union') {
    const within = presence.isWithinOptional || plain.isNullable
    const around = { ...presence, isWithinOptional: within }
    const forms = plain.options.flatMap((option) => formsAt(option, path, around))
    if (name === undefined) return forms
    // A field of one option may be missing in another, and so may the fields inside it.
    return forms.map((form) => {
      const isWithinOptional = form.isWithinOptional || rest.length > 0
      return { ...form, isOptional: true, isWithinOptional }
    })
  }
  if (name === undefined) return typesOf(plain).map((type) => ({ type, ...presence }))
  if (plain.kind === 'scalar') return []
  const isWithinOptional = presence.isWithinOptional || presence.isOptional || plain.isNullable
  return plain.fields
    .filter((field) => field.name === name)
    .flatMap(({ isOptional, value }) => formsAt(value, rest, { isOptional, isWithinOptional }))
}

function typesOf(plain: Scalar | PlainObject): SchemaForm['type'][] {
  if (plain.kind === 'object') return ['object']
  const { text, number, booleans } = plain
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

/** Scans a value into a row; false: the row is undefined. */
export type RowScan = (at: Place, columns: ScannedColumns, row: number) => boolean
