/** The value that a text says in JSON; `null`: it is not JSON. */
export function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The object that a text says in JSON; `null`: it is none. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | null {
  const value = jsonOrNull(text)
  const isObject = typeof value === 'object' && !Array.isArray(value)
  return isObject ? (value as Readonly<Record<string, unknown>> | null) : null
}
