import type { StandardSchemaV1 } from '@standard-schema/spec'
import {
  ANY_NUMBER,
  ANY_TEXT,
  isBare,
  NO_SCALAR,
  type NumberRule,
  type Opaque,
  type PlainField,
  type PlainObject,
  type PlainValue,
  type Scalar,
  type TextRule,
} from './plain.ts'

// Reads a zod 4 schema from its definition. A schema, a check, or a key of either that is not in
// these tables makes it opaque. (Its JSON Schema would not do: there a refinement, a coercion and a
// trim look like a plain string.)

interface ZodDefinition {
  readonly type?: string
  readonly check?: string
  readonly checks?: readonly ZodPart[]
  readonly when?: unknown
  readonly [key: string]: unknown
}

/** A schema or a check. */
interface ZodPart {
  readonly _zod: {
    readonly def: ZodDefinition
    readonly traits: ReadonlySet<string>
    readonly version?: { readonly major: number }
  }
}

interface KnownPart {
  readonly keys: readonly string[]
  /** Names of its class and all base classes, without `$`, `Zod` and `Mini`. */
  readonly traits: readonly string[]
}

/** Keys that do not affect which values the schema accepts. */
const HARMLESS = ['type', 'error', 'abort', 'check']
const NUMBER_FORMAT = ['Check', 'CheckNumberFormat', 'Number', 'NumberFormat', 'Type']
const TIME_FORMAT = ['Check', 'CheckStringFormat', 'ISODateTime', 'String', 'StringFormat', 'Type']
const TIME_KEYS = ['format', 'pattern', 'offset', 'local', 'precision']
const SCHEMAS: Readonly<Record<string, KnownPart>> = {
  // A value that JSON has in the type already is not coerced; other records are not scanned.
  string: { keys: ['checks', 'coerce', ...TIME_KEYS], traits: TIME_FORMAT },
  number: { keys: ['checks', 'coerce', 'format'], traits: NUMBER_FORMAT },
  boolean: { keys: ['checks', 'coerce'], traits: ['Boolean', 'Type'] },
  literal: { keys: ['checks', 'values'], traits: ['Literal', 'Type'] },
  enum: { keys: ['checks', 'entries'], traits: ['Enum', 'Type'] },
  object: { keys: ['checks', 'shape'], traits: ['Object', 'ObjectJIT', 'Type'] },
  union: {
    keys: ['checks', 'options', 'discriminator', 'inclusive'],
    traits: ['DiscriminatedUnion', 'Union', 'Type'],
  },
  optional: { keys: ['checks', 'innerType'], traits: ['ExactOptional', 'Optional', 'Type'] },
  nullable: { keys: ['checks', 'innerType'], traits: ['Nullable', 'Type'] },
  readonly: { keys: ['checks', 'innerType'], traits: ['Readonly', 'Type'] },
}
const CHECKS: Readonly<Record<string, KnownPart>> = {
  min_length: { keys: ['minimum', 'when'], traits: ['Check', 'CheckMinLength'] },
  max_length: { keys: ['maximum', 'when'], traits: ['Check', 'CheckMaxLength'] },
  length_equals: { keys: ['length', 'when'], traits: ['Check', 'CheckLengthEquals'] },
  greater_than: { keys: ['value', 'inclusive'], traits: ['Check', 'CheckGreaterThan'] },
  less_than: { keys: ['value', 'inclusive'], traits: ['Check', 'CheckLessThan'] },
  multiple_of: { keys: ['value'], traits: ['Check', 'CheckMultipleOf'] },
  number_format: { keys: ['format'], traits: NUMBER_FORMAT },
  string_format: { keys: TIME_KEYS, traits: TIME_FORMAT },
}
const FORMATS: Readonly<Record<string, Partial<NumberRule>>> = {
  safeint: { isInteger: true },
  int32: { isInteger: true, min: -(2 ** 31), max: 2 ** 31 - 1 },
  uint32: { isInteger: true, min: 0, max: 2 ** 32 - 1 },
  float64: {},
}

/** The values that a schema accepts; opaque: not known. */
export function plainOf(schema: StandardSchemaV1): PlainValue {
  const { vendor } = schema['~standard']
  if (vendor !== 'zod') return opaque(`schemas of ${vendor} are not supported`)
  const part = schema as unknown as ZodPart
  try {
    if (insideOf(part).version?.major !== 4) return opaque('only schemas of zod 4 are supported')
    return fieldOf('', part, []).value
  } catch {
    // A definition consists of getters, some of which are the author's.
    return opaque('its definition cannot be read')
  }
}

function insideOf({ _zod: inside }: ZodPart): ZodPart['_zod'] {
  return inside
}

function opaque(why: string): Opaque {
  return { kind: 'opaque', why }
}

/** @param within schemas around this one */
function fieldOf(name: string, part: ZodPart, within: readonly ZodPart[]): PlainField {
  let [inner, isOptional, isNullable] = [part, false, false]
  for (;;) {
    const { def } = insideOf(inner)
    const strange = strangeIn(inner, SCHEMAS[def.type ?? '']) ?? strangeChecks(def)
    if (strange !== null) return { name, isOptional, value: opaque(strange) }
    if (!('innerType' in def)) break
    isOptional ||= def.type === 'optional'
    isNullable ||= def.type === 'nullable'
    inner = def['innerType'] as ZodPart
  }
  const value = valueOf(inner, within)
  const mayBeNull = isNullable && value.kind !== 'opaque'
  return { name, isOptional, value: mayBeNull ? { ...value, isNullable } : value }
}

/** The first unknown key or class of a part; `null`: none. */
function strangeIn(part: ZodPart, rules: KnownPart | undefined): string | null {
  const { def, traits } = insideOf(part)
  if (rules === undefined) return String(def.check ?? def.type)
  for (const key of Object.keys(def)) {
    if (!HARMLESS.includes(key) && !rules.keys.includes(key) && def[key] !== undefined) return key
  }
  for (const trait of traits) {
    if (!rules.traits.includes(trait.replace(/^[_$]?(Zod)(Mini)?/, ''))) return trait
  }
  return null
}

/** Checks of a schema that may have none. */
function strangeChecks({ type, checks = [] }: ZodDefinition): string | null {
  if (type === 'string' || type === 'number') return null
  return checks.length > 0 ? `checks of ${type}` : null
}

function valueOf(part: ZodPart, within: readonly ZodPart[]): PlainValue {
  const { def } = insideOf(part)
  switch (def.type as string) {
    case 'string':
      return textOf(part)
    case 'number':
      return numberOf(def)
    case 'boolean':
      return { ...NO_SCALAR, booleans: [false, true] }
    case 'literal':
      return oneOf(def['values'] as readonly unknown[])
    case 'enum': {
      const entries = Object.values(def['entries'] as object)
      const areTexts = entries.every((value) => typeof value === 'string')
      return areTexts ? oneOf(entries) : opaque('an enum of numbers')
    }
    case 'object':
      return objectOf(part, within)
    default:
      return unionOf(part, within)
  }
}

function textOf(part: ZodPart): Scalar | Opaque {
  const { def } = insideOf(part)
  let rule: TextRule | string = 'format' in def ? withTime(ANY_TEXT, part) : ANY_TEXT
  for (const check of def.checks ?? []) {
    if (typeof rule === 'string') break
    rule = strangeCheck(check) ?? withLength(rule, check)
  }
  return typeof rule === 'string' ? opaque(rule) : { ...NO_SCALAR, text: rule }
}

function withLength(rule: TextRule, check: ZodPart): TextRule | string {
  const { check: name, minimum, maximum, length } = insideOf(check).def
  if (name === 'string_format') return withTime(rule, check)
  const { minLength, maxLength } = rule
  return {
    ...rule,
    minLength: Math.max(minLength, numberIn(minimum ?? length, 0)),
    maxLength: Math.min(maxLength, numberIn(maximum ?? length, Infinity)),
  }
}

/** Local times, and those to the minute, are accepted too, but not scanned. */
function withTime(rule: TextRule, part: ZodPart): TextRule | string {
  const { pattern, ...def } = insideOf(part).def
  const { format, precision, offset } = def
  if (format !== 'datetime' || (precision ?? null) !== null) return `format ${String(format)}`
  // The author's own pattern would differ.
  const Same = part.constructor as new (def: ZodDefinition) => ZodPart
  const { checks: _, ...rest } = def
  const same = insideOf(new Same(rest)).def['pattern']
  if (String(same) !== String(pattern)) return 'pattern'
  return { ...rule, time: offset === true && rule.time === null ? 'offset' : 'utc' }
}

function strangeCheck(check: ZodPart): string | null {
  const { def } = insideOf(check)
  const strange = strangeIn(check, CHECKS[def.check ?? ''])
  if (strange !== null || def.when === undefined) return strange
  // Length checks have a condition of their own; any other is the author's.
  const Same = check.constructor as new (def: ZodDefinition) => ZodPart
  return insideOf(new Same({ check: def.check as string })).def.when === def.when ? null : 'when'
}

function numberIn(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}

function numberOf(def: ZodDefinition): Scalar | Opaque {
  let rule: NumberRule | string = ANY_NUMBER
  if (def['format'] !== undefined) rule = withFormat(rule, def['format'])
  for (const check of def.checks ?? []) {
    if (typeof rule === 'string') break
    rule = strangeCheck(check) ?? withCheck(rule, insideOf(check).def)
  }
  return typeof rule === 'string' ? opaque(rule) : { ...NO_SCALAR, number: rule }
}

function withCheck(rule: NumberRule, def: ZodDefinition): NumberRule | string {
  if (def.check === 'number_format') return withFormat(rule, def['format'])
  const { value, inclusive } = def
  if (typeof value !== 'number') return `${def.check} of a ${typeof value}`
  if (def.check === 'multiple_of') {
    // Multiples of a fraction depend on rounding, which differs between versions.
    const isWhole = Number.isSafeInteger(value) && value !== 0
    return isWhole ? { ...rule, divisors: [...rule.divisors, value] } : 'multiple_of a fraction'
  }
  if (def.check === 'greater_than') {
    const bound = inclusive === true ? 'min' : 'above'
    return { ...rule, [bound]: Math.max(rule[bound], value) }
  }
  const bound = inclusive === true ? 'max' : 'below'
  return { ...rule, [bound]: Math.min(rule[bound], value) }
}

function withFormat(rule: NumberRule, format: unknown): NumberRule | string {
  const bounds = FORMATS[String(format)]
  if (bounds === undefined) return `format ${String(format)}`
  return {
    ...rule,
    isInteger: rule.isInteger || bounds.isInteger === true,
    min: Math.max(rule.min, bounds.min ?? -Infinity),
    max: Math.min(rule.max, bounds.max ?? Infinity),
  }
}

function oneOf(values: readonly unknown[]): Scalar | Opaque {
  const texts = values.filter((value) => typeof value === 'string')
  const numbers = values.filter((value) => typeof value === 'number')
  const booleans = values.filter((value) => typeof value === 'boolean')
  const nulls = values.filter((value) => value === null)
  const literals = [texts, numbers, booleans, nulls].flat()
  if (literals.length < values.length) return opaque('a literal that JSON does not have')
  return {
    kind: 'scalar',
    text: texts.length === 0 ? null : { ...ANY_TEXT, oneOf: texts },
    number: numbers.length === 0 ? null : { ...ANY_NUMBER, oneOf: numbers },
    booleans,
    isNullable: nulls.length > 0,
  }
}

function objectOf(part: ZodPart, within: readonly ZodPart[]): PlainObject | Opaque {
  if (within.includes(part)) return opaque('it contains itself')
  const shape = insideOf(part).def['shape'] as Readonly<Record<string, ZodPart>>
  if (Object.getOwnPropertySymbols(shape).length > 0) return opaque('a field named by a symbol')
  const fields = Object.entries(shape).map(([name, field]) =>
    fieldOf(name, field, [...within, part]),
  )
  for (const { name, isOptional, value } of fields) {
    // Every object inherits these.
    if (name in {}) return opaque(`a field named ${name}`)
    if (!isBare(name)) return opaque('a field whose name JSON escapes')
    if (value.kind === 'opaque' && !isOptional) return opaque(`${name}: ${value.why}`)
  }
  return { kind: 'object', fields, isNullable: false }
}

function unionOf(part: ZodPart, within: readonly ZodPart[]): PlainValue {
  const { discriminator, options: parts } = insideOf(part).def
  if (typeof discriminator !== 'string') return opaque('a union without a discriminator')
  const options: PlainObject[] = []
  const seen = new Set<unknown>()
  for (const option of parts as readonly ZodPart[]) {
    const { value, isOptional } = fieldOf('', option, within)
    if (value.kind === 'opaque') return value
    if (value.kind !== 'object' || value.isNullable || isOptional)
      return opaque('a union of other values than objects')
    const tags = tagsOf(value, discriminator)
    // zod refuses all records if two options claim the same value.
    if (tags === null || tags.some((tag) => seen.has(tag))) return opaque('an ambiguous union')
    for (const tag of tags) seen.add(tag)
    options.push(value)
  }
  return { kind: 'union', options, isNullable: false }
}

/** The values of the field that tells options apart; `null`: they cannot be listed. */
function tagsOf(option: PlainObject, discriminator: string): readonly unknown[] | null {
  const field = option.fields.find(({ name }) => name === discriminator)
  if (field === undefined || field.isOptional || field.value.kind !== 'scalar') return null
  const { text, number, booleans, isNullable } = field.value
  if (text?.oneOf === null || number?.oneOf === null) return null
  const tags = [...(text?.oneOf ?? []), ...(number?.oneOf ?? []), ...booleans]
  return isNullable ? [...tags, null] : tags
}
