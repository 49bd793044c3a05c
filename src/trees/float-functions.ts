// exp and log of float32 numbers, with the same bits as the C library that ONNX Runtime uses: glibc
// since 2.27, whose expf and logf are those of Arm's optimized routines (math/expf.c, math/logf.c;
// Szabolcs Nagy 2017). Everything is computed in float64 and rounded once, at the end, but not so
// exactly that every other method would round the same way: of 21 million arguments 12,385 differ
// from exp in float64. If the machine has another library, or one compiled with fused multiply-add,
// the comparison with ONNX Runtime detects it.

import { bitsOf, ofBits } from './float-bits.ts'

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

/** Pairs of 1/c and log c, for c in the middle of a sixteenth of [0.7, 1.4). */
const LOG_STEPS: readonly (readonly [number, number])[] = [
  [1.398907162146528, -0.33569133332882284],
  [1.3403141896637998, -0.2929040563774074],
  [1.286432210124115, -0.2518726580937369],
  [1.2367150214269895, -0.21245868807117255],
  [1.1906977166711752, -0.17453945183745634],
  [1.1479821020556429, -0.1380057072319758],
  [1.1082251448272158, -0.10275976698545139],
  [1.0711297413057381, -0.06871392447020525],
  [1.036437278977283, -0.0357891387398228],
  [1, 0],
  [0.9492859795739057, 0.05204517742929496],
  [0.8951049428609004, 0.11081431298787942],
  [0.8476821620351103, 0.1652495223695143],
  [0.8050314851692001, 0.21687389031699977],
  [0.7664671008843108, 0.2659635028121397],
  [0.731428603316328, 0.3127556664073557],
]
const LOG_4 = -0.25089342214237154
const LOG_3 = 0.333456765744066
const LOG_2 = -0.4999997485802103
/** The bits of the smallest float32 in that interval, and how many bits are below the index. */
const LOG_FIRST = 0x3f330000
const SIXTEENTH_BITS = 19
const EXPONENT_MASK = 0xff800000
const LEAST_NORMAL = 2 ** -126

/** The natural logarithm of a float32, as float32. */
export function logOf(x: number): number {
  if (x === 1) return 0
  if (x === 0) return Number.NEGATIVE_INFINITY
  if (!(x > 0) || x === Number.POSITIVE_INFINITY) return x > 0 ? x : Number.NaN
  const isSubnormal = x < LEAST_NORMAL
  const shifted = bitsOf(isSubnormal ? x * 2 ** FRACTION_BITS : x)
  const own = shifted - (isSubnormal ? FRACTION_BITS << FRACTION_BITS : 0)
  const above = own - LOG_FIRST
  const exponent = above >> FRACTION_BITS
  const fraction = ofBits(own - (above & EXPONENT_MASK))
  const [inverse, log] = LOG_STEPS[(above >> SIXTEENTH_BITS) & 15] as readonly [number, number]
  const r = fraction * inverse - 1
  const sum = log + exponent * Math.LN2
  const square = r * r
  const inner = LOG_4 * square + (LOG_3 * r + LOG_2)
  return Math.fround(inner * square + (sum + r))
}
