import { ELEMENT, ONNX } from './onnx-file.ts'

const float = new Float32Array(1)
const bits = new Int32Array(float.buffer)

export function bitsOf(value: number): number {
  float[0] = value
  return bits[0] as number
}

export function fromBits(pattern: number): number {
  bits[0] = pattern
  return float[0] as number
}

// exp of float32 with the bits of the C library that ONNX Runtime uses: glibc from 2.27 on, with
// expf of Arm's optimized routines (math/expf.c; Szabolcs Nagy 2017). It computes in float64 and
// rounds once, at the end, but not so exactly that other methods would round alike: of 21 million
// arguments 12,385 differ from exp in float64. The comparison with ONNX Runtime detects another
// library, or one compiled with fused multiply-add.

const STEPS = 32
const STEPS_BY_LN2 = 46.16624130844683
/** Added and then subtracted, it rounds to an integer: 1.5 · 2^52. */
const ROUNDING = 6755399441055744
const EXP_3 = 1.6938359250920212e-6
const EXP_2 = 0.00023459809789509004
const EXP_1 = 0.021660849396613134
const FRACTION_BITS = 23
/** Beyond these, exp as float32 is infinite, or 0. */
const EXP_LARGEST = 88.72283172607422
const EXP_SMALLEST = -103.972076416015625

const POWERS = Float64Array.from({ length: STEPS }, (_, i) => power(i))
const LOWEST_EXPONENT = -160
const EXPONENTS = Float64Array.from({ length: 320 }, (_, i) => 2 ** (i + LOWEST_EXPONENT))

export function expOf(x: number): number {
  if (x > EXP_LARGEST) return Number.POSITIVE_INFINITY
  if (x < EXP_SMALLEST) return 0
  return Number.isNaN(x) ? x : Math.fround(unrounded(x))
}

/** How close e^x is to the midpoint of two float32s, 0 to 1: near 1, other methods may differ. */
function doubtOf(x: number): number {
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

/** By integer arithmetic: the 32nd root is five square roots. */
function power(step: number): number {
  // 64 bits more than are kept: it is never so close to the midpoint of two float64s that the
  // truncated digits matter.
  let root = 2n ** BigInt(step + STEPS * 116)
  for (let i = 1; i < STEPS; i *= 2) root = squareRoot(root)
  return Number(root) / 2 ** 116
}

/** By Newton's method, rounded down. */
function squareRoot(square: bigint): bigint {
  let root = 1n << BigInt(Math.ceil(square.toString(2).length / 2))
  for (;;) {
    const next = (root + square / root) >> 1n
    if (next >= root) return root
    root = next
  }
}

// A model whose output shows the last bits of exp: a softmax over its input and 0, by the code of
// ONNX Runtime that trees use too.

/** The hardest to round among those looked at. */
const ARGUMENTS = 1_000
const LOOKED_AT = 200_000
/** The smallest argument for which the softmax preserves all bits of exp. */
const LOWEST = -20

export function hardArguments(): Float32Array {
  const looked = Float32Array.from({ length: LOOKED_AT }, (_, i) => (LOWEST * (i + 1)) / LOOKED_AT)
  const doubts = Float64Array.from(looked, doubtOf)
  const enough = doubts.toSorted().at(-ARGUMENTS) as number
  return looked.filter((_, i) => (doubts[i] as number) >= enough)
}

export const EXP_INPUT = 'argument'
export const EXP_OUTPUT = 'scores'

export function expModel(): Uint8Array {
  const tensor = (columns: number) => ({
    tensor: { type: ELEMENT.float32, shape: { dims: [{ name: 'N' }, { size: columns }] } },
  })
  const [WHOLE, TEXT, FLOATS] = [2, 3, 6]
  const softmax = {
    inputs: [EXP_INPUT],
    outputs: [EXP_OUTPUT],
    operator: 'LinearRegressor',
    domain: 'ai.onnx.ml',
    attributes: [
      { name: 'coefficients', floats: [1, 0], type: FLOATS },
      { name: 'targets', whole: 2, type: WHOLE },
      { name: 'post_transform', text: 'SOFTMAX', type: TEXT },
    ],
  }
  const graph = {
    name: 'exp',
    nodes: [softmax],
    inputs: [{ name: EXP_INPUT, type: tensor(1) }],
    outputs: [{ name: EXP_OUTPUT, type: tensor(2) }],
  }
  const opsets = [
    { domain: '', version: 17 },
    { domain: 'ai.onnx.ml', version: 3 },
  ]
  return ONNX.encode({ version: 8, graph, opsets }).finish()
}
