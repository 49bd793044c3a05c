// exp of float32 numbers, with the same bits as the C library that ONNX Runtime uses: glibc since
// 2.27, whose expf is that of Arm's optimized routines (math/expf.c; Szabolcs Nagy 2017). Everything is computed in float64 and rounded once, at the end, but not so
// exactly that every other method would round the same way: of 21 million arguments 12,385 differ
// from exp in float64. If the machine has another library, or one compiled with fused multiply-add,
// the comparison with ONNX Runtime detects it.

/** Size of the table of powers of two between 1 and 2 that exp is built on. */
const STEPS = 32
const STEPS_BY_LN2 = 46.16624130844683
/** Added and then subtracted, it rounds to an integer: 1.5 · 2^52. */
const ROUNDING = 6755399441055744
const EXP_3 = 1.6938359250920212e-6
const EXP_2 = 0.00023459809789509004
const EXP_1 = 0.021660849396613134
/** Bits of a float32 below the exponent. */
const FRACTION_BITS = 23
/** Beyond these, exp as float32 is infinite, or 0. */
const EXP_LARGEST = 88.72283172607422
const EXP_SMALLEST = -103.972076416015625

/** 2^(i/32), to the nearest float64. */
const POWERS = Float64Array.from({ length: STEPS }, (_, i) => power(i))
const LOWEST_EXPONENT = -160
/** 2^e at index e + 160. */
const EXPONENTS = Float64Array.from({ length: 320 }, (_, i) => 2 ** (i + LOWEST_EXPONENT))

/** e^x for a float32, as float32. */
export function expOf(x: number): number {
  if (x > EXP_LARGEST) return Number.POSITIVE_INFINITY
  if (x < EXP_SMALLEST) return 0
  return Number.isNaN(x) ? x : Math.fround(unrounded(x))
}

/**
 * How close e^x is to the midpoint of two float32s, 0 to 1. Close to it, another method may round
 * the other way.
 */
export function doubtOf(x: number): number {
  const exact = unrounded(x)
  const off = Math.abs(exact - Math.fround(exact))
  return (2 * off) / 2 ** (Math.floor(Math.log2(exact)) - FRACTION_BITS)
}

function unrounded(x: number): number {
  const z = STEPS_BY_LN2 * x
  const k = z + ROUNDING - ROUNDING
  const r = z - k
  const step = k & (STEPS - 1)
  const scale =
    (POWERS[step] as number) * (EXPONENTS[(k - step) / STEPS - LOWEST_EXPONENT] as number)
  const high = EXP_3 * r + EXP_2
  const low = EXP_1 * r + 1
  return (high * (r * r) + low) * scale
}

/** 2^(step/32), by integer arithmetic: the 32nd root is five square roots. */
function power(step: number): number {
  // With 64 bits more than are kept, it is never so close to the midpoint of two float64s that the
  // truncated digits matter.
  let root = 2n ** BigInt(step + STEPS * 116)
  for (let i = 1; i < STEPS; i *= 2) root = squareRoot(root)
  return Number(root) / 2 ** 116
}

/** The integer square root, rounded down. (Newton) */
function squareRoot(of: bigint): bigint {
  let root = 1n << BigInt(Math.ceil(of.toString(2).length / 2))
  for (;;) {
    const next = (root + of / root) >> 1n
    if (next >= root) return root
    root = next
  }
}
