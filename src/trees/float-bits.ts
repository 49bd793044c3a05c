const float = new Float32Array(1)
const bits = new Int32Array(float.buffer)

/** The bits of a float32, as an int32. */
export function bitsOf(value: number): number {
  float[0] = value
  return bits[0] as number
}

/** The float32 that has these bits. */
export function ofBits(of: number): number {
  bits[0] = of
  return float[0] as number
}
