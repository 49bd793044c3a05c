import { varintBytes, writeVarint } from '../../varint.ts'
import { corrupt } from './faults.ts'

// Numbers of variable length: zigzag, seven bits per byte, lowest bits first. Kafka calls 32-bit
// ones varint and 64-bit ones varlong.

const ENDLESS = 'a number of variable length does not end'

/**
 * Reads numbers one after the other. Past the end it reads zeros: the caller must compare `at` with
 * the end.
 */
export class NumberReader {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes
    this.at = at
  }

  /**
   * Reads a signed 32-bit number.
   * @throws TidemarkError `BATCH_CORRUPT`: it does not end after five bytes
   */
  varint(): number {
    const { bytes } = this
    let { at } = this
    let byte = bytes[at++] as number
    let bits = byte & 127
    for (let shift = 7; byte > 127; shift += 7) {
      if (shift === 35) throw corrupt(ENDLESS)
      byte = bytes[at++] as number
      bits |= (byte & 127) << shift
    }
    this.at = at
    return (bits >>> 1) ^ -(bits & 1)
  }

  /**
   * Reads a signed 64-bit number; as a bigint when it takes more than 28 bits.
   * @throws TidemarkError `BATCH_CORRUPT`: it does not end after ten bytes
   */
  varlong(): number | bigint {
    const { bytes } = this
    let { at } = this
    let byte = bytes[at++] as number
    let bits = byte & 127
    for (let shift = 7; byte > 127; shift += 7) {
      if (shift === 28) return this.#wide()
      byte = bytes[at++] as number
      bits |= (byte & 127) << shift
    }
    this.at = at
    return (bits >>> 1) ^ -(bits & 1)
  }

  #wide(): bigint {
    let byte = 128
    let bits = 0n
    for (let shift = 0n; byte > 127; shift += 7n) {
      if (shift === 70n) throw corrupt(ENDLESS)
      byte = this.bytes[this.at++] ?? 0
      bits |= BigInt(byte & 127) << shift
    }
    const unsigned = BigInt.asUintN(64, bits)
    return BigInt.asIntN(64, (unsigned >> 1n) ^ -(unsigned & 1n))
  }
}

/** Returns how many bytes a whole number up to ±2^53 takes. */
export function varlongBytes(value: number): number {
  if (value === (value | 0)) return varintBytes(value)
  let bytes = 1
  for (let bits = zigzag(value); bits > 127n; bits >>= 7n) bytes++
  return bytes
}

/** Writes a whole number up to ±2^53 at `at` and returns the position after it. */
export function writeVarlong(bytes: Buffer, at: number, value: number): number {
  if (value === (value | 0)) return writeVarint(bytes, at, value)
  let next = at
  let bits = zigzag(value)
  for (; bits > 127n; bits >>= 7n) bytes[next++] = Number(bits & 127n) | 128
  bytes[next++] = Number(bits)
  return next
}

function zigzag(value: number): bigint {
  const wide = BigInt(value)
  return BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n))
}
