// Values that have a schema, as JSON to be read and written by people. Bytes, which JSON does not
// have, are `{ "base64": "…" }`.

/** A decoded value as JSON. */
export function shownJson(value: unknown): string {
  return JSON.stringify(value, withoutBuffers)
}

/** The value that {@link shownJson} shows. @throws SyntaxError it is not JSON */
export function valueShown(json: string): unknown {
  return JSON.parse(json, (_, value) => bytesIn(value) ?? value)
}

function withoutBuffers(this: unknown, name: string, value: unknown): unknown {
  // The value is what the Buffer's own toJSON has made of it.
  const own = (this as Readonly<Record<string, unknown>>)[name]
  return Buffer.isBuffer(own) ? { base64: own.toString('base64') } : value
}

function bytesIn(value: unknown): Buffer | null {
  if (typeof value !== 'object' || value === null) return null
  const { base64, ...others } = value as { readonly base64?: unknown }
  const isAll = typeof base64 === 'string' && Object.keys(others).length === 0
  return isAll ? Buffer.from(base64, 'base64') : null
}
