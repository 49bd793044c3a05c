import { crc32c as checksum } from '@node-rs/crc32'

/**
 * The CRC-32C (Castagnoli) of `bytes[from, to)`, unsigned. In a record batch it covers everything
 * from the attributes to the end.
 */
export function crc32c(bytes: Buffer, from: number, to: number): number {
  return checksum(bytes.subarray(from, to))
}
