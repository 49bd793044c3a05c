// 32-bit numbers of variable length: zigzag, seven bits per byte, lowest bits first.

/** Reads a number that was written by {@link writeVarint}. */
export function readVarint(bytes: Buffer, at: number): number {
  let bits = 0
  let next = at
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[next++] as number
    bits |= (byte & 127) << shift
    if (byte < 128) return (bits >>> 1) ^ -(bits & 1)
  }
}

/** Returns how many bytes a 32-bit number takes. */
export function varintBytes(value: number): number {
  const bits = ((value << 1) ^ (value >> 31)) >>> 0
  if (bits < 1 << 7) return 1
  if (bits < 1 << 14) return 2
  if (bits < 1 << 21) return 3
  return bits < 1 << 28 ? 4 : 5
}

/** Writes a 32-bit number at `at` and returns the position after it. */
export function writeVarint(bytes: Buffer, at: number, value: number): number {
  let bits = ((value << 1) ^ (value >> 31)) >>> 0
  let next = at
  for (; bits > 127; bits >>>= 7) bytes[next++] = bits | 128
  bytes[next++] = bits
  return next
}
