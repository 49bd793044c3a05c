import protobuf, { type Field, type Type } from 'protobufjs'
import {
  arrayFit,
  BOOLEAN,
  BYTES,
  type Fit,
  fits,
  inField,
  isObject,
  type Misfit,
  mapFit,
  misfit,
  NUMBER,
  oneOf,
  TEXT,
  TypeFits,
  unknownField,
  wholeNumbers,
} from '../fit.ts'

// Checks whether a value can be written in Protobuf without losing anything. protobufjs converts
// what it is given: the text "x" would be the number 0.

const INT32 = wholeNumbers(-(2 ** 31), 2 ** 31 - 1)
const UINT32 = wholeNumbers(0, 2 ** 32 - 1)
const INT64 = wholeNumbers(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
const UINT64 = wholeNumbers(0, Number.MAX_SAFE_INTEGER)

const SCALARS: Readonly<Record<string, Fit>> = {
  double: NUMBER,
  float: NUMBER,
  int32: INT32,
  sint32: INT32,
  sfixed32: INT32,
  uint32: UINT32,
  fixed32: UINT32,
  int64: INT64,
  sint64: INT64,
  sfixed64: INT64,
  uint64: UINT64,
  fixed64: UINT64,
  bool: BOOLEAN,
  string: TEXT,
  bytes: BYTES,
}

/** Makes the check for messages of a type, all of whose types are resolved. */
export function protobufFit(type: Type): Fit {
  return messageFit(type, new TypeFits())
}

type Known = TypeFits<Type>

function messageFit(type: Type, known: Known): Fit {
  return known.of(type, () => newMessageFit(type, known))
}

/** Of a message. Missing and null are the same, as in Protobuf's JSON: the field has no value. */
function newMessageFit(type: Type, known: Known): Fit {
  const fields = new Map(type.fieldsArray.map((field) => [field.name, fieldFit(field, known)]))
  const required = type.fieldsArray.filter((field) => field.required).map(({ name }) => name)
  const either = type.oneofsArray.map(({ oneof }) => oneof).filter(({ length }) => length > 1)
  return (value) => {
    if (!isObject(value)) return misfit('an object', value)
    for (const name in value) {
      const field = value[name]
      if (isMissing(field)) continue
      const fit = fields.get(name)
      if (fit === undefined) return unknownField(name)
      const found = fit(field)
      if (found !== null) return inField(name, found)
    }
    return missingOf(value, required) ?? secondOf(value, either)
  }
}

function isMissing(field: unknown): boolean {
  return field === undefined || field === null
}

function missingOf(value: Readonly<Record<string, unknown>>, required: readonly string[]) {
  const missing = required.find((name) => isMissing(value[name]))
  return missing === undefined ? null : inField(missing, { at: '', why: 'is required' })
}

/** Of the fields of a `oneof` only one can have a value. */
function secondOf(
  value: Readonly<Record<string, unknown>>,
  either: readonly (readonly string[])[],
): Misfit | null {
  for (const names of either) {
    const [first, second] = names.filter((name) => !isMissing(value[name]))
    if (first !== undefined && second !== undefined) {
      return inField(second, { at: '', why: `cannot have a value beside ${first}: a oneof` })
    }
  }
  return null
}

function fieldFit(field: Field, known: Known): Fit {
  const one = valueFit(field, known)
  if (field instanceof protobuf.MapField) return mapFit(keyFit(field.keyType), one)
  return field.repeated ? arrayFit(one) : one
}

function valueFit({ type, resolvedType }: Field, known: Known): Fit {
  if (resolvedType instanceof protobuf.Enum) return oneOf(Object.keys(resolvedType.values))
  return resolvedType === null ? (SCALARS[type] as Fit) : messageFit(resolvedType, known)
}

/** Of the keys of a map, which are names in an object. */
function keyFit(type: string): Fit {
  if (type === 'string') return TEXT
  if (type === 'bool') return oneOf(['true', 'false'])
  const number = SCALARS[type] as Fit
  return fits(`a name that is a number (${type})`, (name) => {
    return String(Number(name)) === name && number(Number(name)) === null
  })
}
