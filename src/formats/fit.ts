import { TidemarkError } from '../kernel/errors.ts'
import { isFieldName } from '../topology/schema.ts'
import { valueKind } from './identity.ts'

// Checks outputs against their schema before they are written, because the libraries are too
// generous: they drop unknown fields, and convert values of another type.

/** Where and why a value does not fit; never the value itself. */
export interface Misfit {
  /** The path of a field, such as `.items[3].price`; empty: the value itself. */
  readonly at: string
  readonly why: string
}

/** Checks a value; `null`: it fits. */
export type Fit = (value: unknown) => Misfit | null

export function misfit(wanted: string, value: unknown): Misfit {
  const kind = valueKind(value)
  const got = kind === 'object' && !isObject(value) ? classOf(value) : kind
  return { at: '', why: `must be ${wanted}, got ${got}` }
}

/** @param wanted in words: the values that pass */
export function fits(wanted: string, test: (value: unknown) => boolean): Fit {
  return (value) => (test(value) ? null : misfit(wanted, value))
}

interface FieldFit {
  readonly name: string
  readonly fit: Fit
  readonly isOptional: boolean
}

/** Fits objects with these fields, and no others. @param isMissing tells absent values */
export function objectFit(
  fields: readonly FieldFit[],
  isMissing: (value: unknown) => boolean,
): Fit {
  const names = new Set(fields.map(({ name }) => name))
  return (value) => {
    if (!isObject(value)) return misfit('an object', value)
    let left = 0
    for (const name in value) if (!isMissing(value[name])) left++
    for (const { name, fit, isOptional } of fields) {
      const field = value[name]
      if (isOptional && isMissing(field)) continue
      const fault = fit(field)
      if (fault !== null) return inField(name, fault)
      left--
    }
    if (left === 0) return null
    // A library would drop a field that the schema does not have.
    const extra = Object.keys(value).find((name) => !isMissing(value[name]) && !names.has(name))
    if (extra === undefined) return null
    return { at: isFieldName(extra) ? `.${extra}` : '.…', why: 'is not in the schema' }
  }
}

export function inField(name: string, { at, why }: Misfit): Misfit {
  return { at: `.${name}${at}`, why }
}

export function arrayFit(item: Fit): Fit {
  return (value) => {
    if (!Array.isArray(value)) return misfit('an array', value)
    for (let i = 0; i < value.length; i++) {
      const fault = item(value[i])
      if (fault !== null) return { at: `[${i}]${fault.at}`, why: fault.why }
    }
    return null
  }
}

export function mapFit(key: Fit, entry: Fit): Fit {
  return (value) => {
    if (!isObject(value)) return misfit('an object', value)
    for (const name of Object.keys(value)) {
      const fault = key(name) ?? entry(value[name])
      // Keys of maps are data, and not named.
      if (fault !== null) return { at: `.…${fault.at}`, why: fault.why }
    }
    return null
  }
}

/** Tells plain objects from a Date, a Map or a promise: these would be written empty. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return classOf(value) === 'Object'
}

function classOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1)
}

/** Text with a form in UTF-8. */
export const UTF8_TEXT = fits('text', (value) => typeof value === 'string' && value.isWellFormed())
/** Any number: a float may lose some of its bits. */
export const NUMBER = fits('a number', (value) => typeof value === 'number')
export const BOOLEAN = fits('true or false', (value) => typeof value === 'boolean')
export const BYTES = fits('a Buffer', (value) => Buffer.isBuffer(value))

export function wholeNumbers(from: number, to: number): Fit {
  return fits(
    `a whole number from ${from} to ${to}`,
    (value) => Number.isInteger(value) && (value as number) >= from && (value as number) <= to,
  )
}

export const INT32 = wholeNumbers(-(2 ** 31), 2 ** 31 - 1)

const MOST_LISTED = 10

export function enumFit(names: readonly string[]): Fit {
  const words = new Set<unknown>(names)
  const more = names.length > MOST_LISTED ? ', …' : ''
  const wanted = `one of ${names.slice(0, MOST_LISTED).join(', ')}${more}`
  return fits(wanted, (value) => words.has(value))
}

/** Makes an encoder that checks a value first, and throws TidemarkError `OUTPUT_INVALID`. */
export function checkedEncode(
  schema: string,
  fit: Fit,
  encode: (value: unknown) => Uint8Array,
): (value: unknown) => Uint8Array {
  return (value) => {
    let fault: Misfit | null
    try {
      fault = fit(value)
      if (fault === null) return encode(value)
    } catch (cause) {
      const hint = 'it may contain itself, or be nested too deep'
      const message = `the value cannot be written (${schema})`
      throw new TidemarkError('OUTPUT_INVALID', message, { hint, cause })
    }
    const { at, why } = fault
    const field = at === '' ? 'the value' : `field ${at.replace(/^\./, '')}`
    const hint = 'make it fit the schema, in the map before the sink'
    throw new TidemarkError('OUTPUT_INVALID', `${field} ${why} (${schema})`, { hint })
  }
}
