import { isUtf8 } from 'node:buffer'

/** The value that a text says in JSON; `null`: it is not JSON. */
export function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The object that a text says in JSON; `null`: it is not an object. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | null {
  const value = jsonOrNull(text)
  return isJsonObject(value) ? value : null
}

/** Whether it is an object as in JSON: neither `null` nor an array. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether it is an integer beyond ±(2^53 − 1), which JSON may have had with other last digits. */
export function isInexact(value: unknown): value is number {
  return Number.isInteger(value) && !Number.isSafeInteger(value)
}

/** Whether the text, such as a key, was made of an inexact integer of the value. */
export function showsInexact(text: string, value: () => unknown): boolean {
  const mayBe = /\d{16}|e\+/.test(text)
  return mayBe && hasInexact(value(), (integer) => text.includes(String(integer)))
}

/** Whether any part of a value of JSON is an inexact integer, of those asked for. */
export function hasInexact(
  value: unknown,
  isAsked: (integer: number) => boolean = () => true,
): boolean {
  if (isInexact(value)) return isAsked(value)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  return Object.values(value).some((part) => hasInexact(part, isAsked))
}

/** Bytes as JSON: a string if they are UTF-8, else base64; `null` if there are none. */
export function bytesAsJson(bytes: Buffer | null): string | { readonly base64: string } | null {
  if (bytes === null) return null
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }
}

/**
 * The value at a path such as `score.probability` in parsed JSON; `undefined`: there is none. A field
 * that is named as the whole path goes first.
 */
export function valueAt(json: unknown, path: string): unknown {
  let at = json
  const isName = typeof json === 'object' && json !== null && Object.hasOwn(json, path)
  for (const name of isName ? [path] : path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Readonly<Record<string, unknown>>)[name]
  }
  return at
}
