import { isUtf8 } from 'node:buffer'

/** Bytes in JSON: as text where they are UTF-8, else as base64. */
export type BytesAsJson = string | { readonly base64: string } | null

export function bytesAsJson(bytes: Buffer | null): BytesAsJson {
  if (bytes === null) return null
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }
}
