import { isUtf8 } from 'node:buffer'

/** Bytes as JSON: a string if they are UTF-8, else base64; `null` if there are none. */
export type BytesAsJson = string | { readonly base64: string } | null

/** Converts bytes to JSON. */
export function bytesAsJson(bytes: Buffer | null): BytesAsJson {
  if (bytes === null) return null
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }
}
