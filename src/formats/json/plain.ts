// The values that a plain schema accepts. A plain schema only accepts or refuses: it returns the
// very values that it was given, without the fields that it does not name.

/**
 * Texts whose length is within bounds, both in code points and in UTF-16 code units, since
 * libraries differ in what they count.
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
  /** Integers, each of which divides the number. */
  readonly divisors: readonly number[]
  /** `null`: any. */
  readonly oneOf: readonly number[] | null
}

/** Accepted scalars, by kind of JSON value; a kind that is `null`, or empty, is not accepted. */
export interface Scalar {
  readonly kind: 'scalar'
  readonly text: TextRule | null
  readonly number: NumberRule | null
  readonly booleans: readonly boolean[]
  readonly isNullable: boolean
}

/** A field of an object. */
export interface PlainField {
  readonly name: string
  readonly isOptional: boolean
  readonly value: PlainValue
}

/** An object; fields that it does not name are dropped. */
export interface PlainObject {
  readonly kind: 'object'
  readonly fields: readonly PlainField[]
  readonly isNullable: boolean
}

/** One of several objects, distinguished by a field whose values differ between them. */
export interface PlainUnion {
  readonly kind: 'union'
  readonly options: readonly PlainObject[]
  readonly isNullable: boolean
}

/** A schema whose effect is not known. */
export interface Opaque {
  readonly kind: 'opaque'
  readonly why: string
}

/** What a schema accepts. */
export type PlainValue = Scalar | PlainObject | PlainUnion | Opaque

/** Accepts every text. */
export const ANY_TEXT: TextRule = { minLength: 0, maxLength: Infinity, oneOf: null }
/** Accepts every finite number. */
export const ANY_NUMBER: NumberRule = {
  isInteger: false,
  min: -Infinity,
  max: Infinity,
  above: -Infinity,
  below: Infinity,
  divisors: [],
  oneOf: null,
}
/** Accepts no scalar. */
export const NO_SCALAR: Scalar = {
  kind: 'scalar',
  text: null,
  number: null,
  booleans: [],
  isNullable: false,
}
/** Accepts every scalar. */
export const ANY_SCALAR: Scalar = {
  kind: 'scalar',
  text: ANY_TEXT,
  number: ANY_NUMBER,
  booleans: [false, true],
  isNullable: true,
}

/** Is the text written in JSON without escapes? */
export function isBare(text: string): boolean {
  return JSON.stringify(text) === `"${text}"`
}

/** Does a finite number obey a rule? */
export function isAllowed(x: number, rule: NumberRule): boolean {
  if (rule === ANY_NUMBER) return true
  const { isInteger, min, max, above, below, divisors, oneOf } = rule
  if (isInteger && !Number.isSafeInteger(x)) return false
  if (!(x >= min && x <= max && x > above && x < below)) return false
  for (const divisor of divisors) if (x % divisor !== 0) return false
  return oneOf === null || oneOf.includes(x)
}
