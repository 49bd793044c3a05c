// What a schema lets through, where that is all it does: a plain schema gives the very values that
// it was given, less the fields that it does not name.

/**
 * Texts whose length is within bounds, both in code points and in UTF-16 units: libraries differ in
 * what they count.
 */
export interface TextRule {
  readonly minLength: number
  readonly maxLength: number
  /** `null`: any. */
  readonly oneOf: readonly string[] | null
}

/** Finite numbers within bounds. */
export interface NumberRule {
  /** Within ±(2^53 − 1). */
  readonly isInteger: boolean
  readonly min: number
  readonly max: number
  readonly above: number
  readonly below: number
  /** Integers, all of which divide it. */
  readonly divisors: readonly number[]
  /** `null`: any. */
  readonly oneOf: readonly number[] | null
}

/** By kind of JSON value; a kind that is `null`, or empty, is not let through. */
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

/** Fields that it does not name are dropped. */
export interface PlainObject {
  readonly kind: 'object'
  readonly fields: readonly PlainField[]
  readonly isNullable: boolean
}

/** One of its objects, told apart by a field that cannot be the same in two. */
export interface PlainUnion {
  readonly kind: 'union'
  readonly options: readonly PlainObject[]
  readonly isNullable: boolean
}

/** A schema of which it is not known what it does. */
export interface Opaque {
  readonly kind: 'opaque'
  readonly why: string
}

export type PlainValue = Scalar | PlainObject | PlainUnion | Opaque

export const ANY_TEXT: TextRule = { minLength: 0, maxLength: Infinity, oneOf: null }
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

/** Does JSON write the text as it is? */
export function isBare(text: string): boolean {
  return JSON.stringify(text) === `"${text}"`
}

/** Of a finite number. */
export function isAllowed(x: number, rule: NumberRule): boolean {
  if (rule === ANY_NUMBER) return true
  const { isInteger, min, max, above, below, divisors, oneOf } = rule
  if (isInteger && !Number.isSafeInteger(x)) return false
  if (!(x >= min && x <= max && x > above && x < below)) return false
  for (const divisor of divisors) if (x % divisor !== 0) return false
  return oneOf === null || oneOf.includes(x)
}
