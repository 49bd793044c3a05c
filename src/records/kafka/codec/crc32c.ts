import { crc32c as checksum } from '@node-rs/crc32'

/**
 * CRC-32C (Castagnoli), which protects a record batch from its attributes to its end: of
 * `bytes[from, to)`, unsigned.
 */
export function crc32c(bytes: Buffer, from: number, to: number): number {
  return checksum(bytes.subarray(from, to))
}
