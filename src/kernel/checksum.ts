import { crc32 } from 'node:zlib'

/** CRC-32 of bytes, as in zip files: 0 to 2^32 − 1. */
export function checksum(bytes: Uint8Array): number {
  return crc32(bytes)
}
