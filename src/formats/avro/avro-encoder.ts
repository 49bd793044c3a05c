import type { Type, types } from 'avsc'
import type { WholeSchema } from '../../registry/schema-registry.ts'
import {
  arrayFit,
  BOOLEAN,
  BYTES,
  checkedEncode,
  enumFit,
  type Fit,
  fits,
  INT32,
  inField,
  isObject,
  type Misfit,
  mapFit,
  misfit,
  NUMBER,
  objectFit,
  UTF8_TEXT,
  wholeNumbers,
} from '../fit.ts'
import { type PayloadEncoder, perType } from '../payload.ts'
import { avroType, unitsPerMs } from './avro-type.ts'

/** @throws Error the fault of the schema */
export function avroEncoder(schema: WholeSchema): PayloadEncoder {
  const type = avroType(schema)
  const name = type.name ?? null
  const words = name === null ? 'Avro schema' : `Avro schema ${name}`
  const encode = checkedEncode(words, perType(newFit)(type), (value) => type.toBuffer(value))
  return { type: name, encode }
}

// Checks whether Avro can hold a value without loss. avsc then accepts it too.

const PRIMITIVES: Readonly<Record<string, Fit>> = {
  null: fits('null', (value) => value === null),
  boolean: BOOLEAN,
  int: INT32,
  // Integers that avsc writes and reads exactly: it doubles them, in a float64.
  long: wholeNumbers(-(2 ** 52), 2 ** 53 - 2),
  float: NUMBER,
  double: NUMBER,
  string: UTF8_TEXT,
  bytes: BYTES,
}

type FitOf = (type: Type) => Fit

function newFit(type: Type, fitOf: FitOf): Fit {
  const units = unitsPerMs(type)
  if (units !== null) return wholeNumbers(-timestampLimit(units), timestampLimit(units))
  switch (type.typeName) {
    case 'fixed': {
      const { size } = type as types.FixedType
      return fits(`a Buffer of ${size} bytes`, (v) => Buffer.isBuffer(v) && v.length === size)
    }
    case 'enum':
      return enumFit((type as types.EnumType).symbols)
    case 'array':
      return arrayFit(fitOf((type as types.ArrayType).itemsType))
    case 'map':
      return mapFit(UTF8_TEXT, fitOf((type as types.MapType).valuesType))
    case 'union:unwrapped':
      return anyOf(type as types.UnwrappedUnionType, fitOf)
    case 'union:wrapped':
      return wrapped(type as types.WrappedUnionType, fitOf)
    case 'record':
    case 'error':
      return recordFit(type as types.RecordType, fitOf)
    default:
      return PRIMITIVES[type.typeName] as Fit
  }
}

/** The largest ms whose timestamp in such units is a long. */
function timestampLimit(units: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.floor(2 ** 63 / units) - 1)
}

function recordFit(type: types.RecordType, fitOf: FitOf): Fit {
  const fields = type.fields.map((field) => ({
    name: field.name,
    fit: fitOf(field.type),
    isOptional: field.defaultValue() !== undefined,
  }))
  return objectFit(fields, (value) => value === undefined)
}

/** A union whose members can be told apart: at most one fits. */
function anyOf({ types: all }: types.UnwrappedUnionType, fitOf: FitOf): Fit {
  const members = all.map(fitOf)
  const wanted = all.map((member) => member.branchName).join(' or ')
  return (value) => {
    let inside: Misfit | null = null
    for (const member of members) {
      const fault = member(value)
      if (fault === null) return null
      if (fault.at !== '') inside = fault
    }
    return inside ?? misfit(wanted, value)
  }
}

/** A union whose values name their type. */
function wrapped({ types: all }: types.WrappedUnionType, fitOf: FitOf): Fit {
  const members = new Map(all.map((member) => [member.branchName ?? '', fitOf(member)]))
  const names = [...members.keys()].filter((name) => name !== 'null')
  const wanted = names.map((name) => `{ "${name}": … }`).join(' or ')
  const hasNull = members.has('null')
  return (value) => {
    if (value === null && hasNull) return null
    const [name = '', ...more] = isObject(value) ? Object.keys(value) : []
    const fit = name === 'null' ? undefined : members.get(name)
    if (!isObject(value) || fit === undefined || more.length > 0) return misfit(wanted, value)
    const fault = fit(value[name])
    return fault === null ? null : inField(name, fault)
  }
}
