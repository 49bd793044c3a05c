import protobuf, { type Field, type Type } from 'protobufjs'
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
  type Misfit,
  mapFit,
  NUMBER,
  objectFit,
  UTF8_TEXT,
  wholeNumbers,
} from '../fit.ts'
import { type PayloadEncoder, perType } from '../payload.ts'
import {
  messageIndexBytes,
  messageName,
  type PlacedMessage,
  placedMessages,
  readProtoFile,
} from './proto-files.ts'

/**
 * @param message its name; `null`: the schema has one message only
 * @throws Error the fault of the schema, or that it has no such message
 */
export function protobufEncoder(
  { text, references }: WholeSchema,
  message: string | null,
): PayloadEncoder {
  const { type, indexes } = chosen(placedMessages(readProtoFile(text, references)), message)
  const name = messageName(type)
  const before = messageIndexBytes(indexes)
  const write = (value: unknown) =>
    Buffer.concat([before, type.encode(type.fromObject(value as object)).finish()])
  const encode = checkedEncode(`Protobuf message ${name}`, perType(messageFit)(type), write)
  return { type: name, encode }
}

/** @throws Error with the names of all messages: it is not one of them */
function chosen(all: readonly PlacedMessage[], message: string | null): PlacedMessage {
  const outermost = all.filter(({ indexes }) => indexes.length === 1)
  const [first, second] = message === null ? outermost : namedBy(all, message)
  if (first !== undefined && second === undefined) return first
  const names = all.map(({ type }) => messageName(type)).join(', ') || 'no message'
  if (message === null) throw new Error(`name the message that is written: it has ${names}`)
  const matches = first === undefined ? 'no message' : 'more than one message'
  throw new Error(`${matches} is named "${message}": it has ${names}`)
}

/** The message with this full name; if there is none, those whose names end in it. */
function namedBy(all: readonly PlacedMessage[], name: string): readonly PlacedMessage[] {
  const exact = all.filter(({ type }) => messageName(type) === name)
  return exact.length > 0 ? exact : all.filter(({ type }) => messageName(type).endsWith(`.${name}`))
}

// Checks whether Protobuf can hold a value without loss. protobufjs converts values: the text "x"
// would be the number 0.

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
  string: UTF8_TEXT,
  bytes: BYTES,
}

type FitOf = (type: Type) => Fit

/** A missing field and null are the same, as in the JSON of Protobuf. */
function messageFit(type: Type, fitOf: FitOf): Fit {
  const fields = type.fieldsArray.map((field) => ({
    name: field.name,
    fit: fieldFit(field, fitOf),
    isOptional: !field.required,
  }))
  const fit = objectFit(fields, isMissing)
  const either = type.oneofsArray.map(({ oneof }) => oneof).filter(({ length }) => length > 1)
  return (value) => fit(value) ?? secondOf(value as Readonly<Record<string, unknown>>, either)
}

function isMissing(field: unknown): boolean {
  return field === undefined || field === null
}

/** Only one field of a `oneof` can have a value. */
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

const REQUIRED: Misfit = { at: '', why: 'is required' }

function fieldFit(field: Field, fitOf: FitOf): Fit {
  const fit = valueFit(field, fitOf)
  if (field.required) return (value) => (isMissing(value) ? REQUIRED : fit(value))
  if (field instanceof protobuf.MapField) return mapFit(keyFit(field.keyType), fit)
  return field.repeated ? arrayFit(fit) : fit
}

function valueFit({ type, resolvedType }: Field, fitOf: FitOf): Fit {
  if (resolvedType instanceof protobuf.Enum) return enumFit(Object.keys(resolvedType.values))
  return resolvedType === null ? (SCALARS[type] as Fit) : fitOf(resolvedType)
}

/** Keys of maps are names in an object. */
function keyFit(type: string): Fit {
  if (type === 'string') return UTF8_TEXT
  if (type === 'bool') return enumFit(['true', 'false'])
  const number = SCALARS[type] as Fit
  return fits(`a name that is a number (${type})`, (name) => {
    return String(Number(name)) === name && number(Number(name)) === null
  })
}
