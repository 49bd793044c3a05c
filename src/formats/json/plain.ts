// A plain schema only accepts or refuses: it returns the values that it was given, without the
// fields that it does not name.

/** Texts whose length is within bounds in code points and in UTF-16: libraries count either. */
export interface TextRule {
  readonly minLength: number
  readonly maxLength: number
  /** `null`: any. */
  readonly oneOf: readonly string[] | null
  /** The kind of time that it must be, in UTC or with any offset; `null`: any text. */
  readonly time: 'utc' | 'offset' | null
}

export interface NumberRule {
  /** Within ±(2^53 − 1). */
  readonly isInteger: boolean
  readonly min: number
  readonly max: number
  readonly above: number
  readonly below: number
  /** Whole numbers that divide the number. */
  readonly divisors: readonly number[]
  /** `null`: any. */
  readonly oneOf: readonly number[] | null
}

/** Accepted scalars, by kind of JSON value; `null` or empty: none of this kind. */
export interface Scalar {
  readonly kind: 'scalar'
  readonly text: TextRule | null
  readonly number: NumberRule | null
  readonly booleans: readonly boolean[]
  readonly isNullable: boolean
}

export interface PlainField {
  readonly name: string
  readonly isOptional: boolean
  readonly value: PlainValue
}

export interface PlainObject {
  readonly kind: 'object'
  readonly fields: readonly PlainField[]
  readonly isNullable: boolean
}

/** One of several objects, told apart by the values of one field. */
export interface PlainUnion {
  readonly kind: 'union'
  readonly options: readonly PlainObject[]
  readonly isNullable: boolean
}

export interface Opaque {
  readonly kind: 'opaque'
  readonly why: string
}

export type PlainValue = Scalar | PlainObject | PlainUnion | Opaque

export const ANY_TEXT: TextRule = {
  minLength: 0,
  maxLength: Infinity,
  oneOf: null,
  time: null,
}
export const ANY_NUMBER: NumberRule = {
  isInteger: false,
  min: -Infinity,
  max: Infinity,
  above: -Infinity,
  below: Infinity,
  divisors: [],
  oneOf: null,
}
export const NO_SCALAR: Scalar = {
  kind: 'scalar',
  text: null,
  number: null,
  booleans: [],
  isNullable: false,
}
export const ANY_SCALAR: Scalar = {
  kind: 'scalar',
  text: ANY_TEXT,
  number: ANY_NUMBER,
  booleans: [false, true],
  isNullable: true,
}

/** Whether JSON writes the text without escapes. */
export function isBare(text: string): boolean {
  return JSON.stringify(text) === `"${text}"`
}

export function isAllowed(x: number, rule: NumberRule): boolean {
  if (rule === ANY_NUMBER) return true
  const { isInteger, min, max, above, below, divisors, oneOf } = rule
  if (isInteger && !Number.isSafeInteger(x)) return false
  if (!(x >= min && x <= max && x > above && x < below)) return false
  for (const divisor of divisors) if (x % divisor !== 0) return false
  return oneOf === null || oneOf.includes(x)
}
