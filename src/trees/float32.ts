import { ELEMENT, ONNX } from './onnx-file.ts'

const float = new Float32Array(1)
const bits = new Int32Array(float.buffer)

export function bitsOf(value: number): number {
  float[0] = value
  return bits[0] as number
}

export function ofBits(of: number): number {
  bits[0] = of
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
function squareRoot(of: bigint): bigint {
  let root = 1n << BigInt(Math.ceil(of.toString(2).length / 2))
  for (;;) {
    const next = (root + of / root) >> 1n
    if (next >= root) return root
    root = next
  }
}

// A model whose output shows the last bits of exp: one tree whose leaves are arguments, and a
// softmax over an argument and 0. It is built at load, because the result depends on this machine's
// C library.

/** The model's arguments: the hardest to round among those looked at. */
const ARGUMENTS = 1_000
const LOOKED_AT = 200_000
/** The smallest argument for which the softmax preserves all bits of exp. */
const LOWEST = -20

export const EXP_INPUT = 'row'
export const EXP_OUTPUT = 'scores'

/** The model, and one row of one feature for each argument. */
export function expModel(): { readonly bytes: Uint8Array; readonly rows: Float32Array } {
  const looked = Float32Array.from({ length: LOOKED_AT }, (_, i) => (LOWEST * (i + 1)) / LOOKED_AT)
  const doubts = Float64Array.from(looked, doubtOf)
  const enough = doubts.toSorted().at(-ARGUMENTS) as number
  const hard = [...looked].filter((_, i) => (doubts[i] as number) >= enough)
  return { bytes: modelOf(hard), rows: Float32Array.from(hard.keys()) }
}

function modelOf(leaves: readonly number[]): Uint8Array {
  const tensor = (columns: number) => ({
    tensor: { type: ELEMENT.float32, shape: { dims: [{ name: 'N' }, { size: columns }] } },
  })
  const ensemble = {
    inputs: [EXP_INPUT],
    outputs: [EXP_OUTPUT],
    operator: 'TreeEnsembleRegressor',
    domain: 'ai.onnx.ml',
    attributes: attributesOf(leaves),
  }
  const graph = {
    name: 'exp',
    nodes: [ensemble],
    inputs: [{ name: EXP_INPUT, type: tensor(1) }],
    outputs: [{ name: EXP_OUTPUT, type: tensor(2) }],
  }
  const opsets = [
    { domain: '', version: 17 },
    { domain: 'ai.onnx.ml', version: 3 },
  ]
  return ONNX.encode({ version: 8, graph, opsets }).finish()
}

/** The attribute types of ONNX. */
const TYPES = { whole: 2, text: 3, floats: 6, wholes: 7, texts: 8 } as const

/** Row i reaches leaf i along a chain. Branches come first, then the last leaf, then the others. */
function attributesOf(leaves: readonly number[]) {
  const last = leaves.length - 1
  const ids = Array.from({ length: 2 * last + 1 }, (_, id) => id)
  const ofBranches = (number: (id: number) => number) =>
    ids.map((id) => (id < last ? number(id) : 0))
  const zeros = ofBranches(() => 0)
  const ends = leaves.flatMap((_, i) => (i === last ? [last, last] : [last + 1 + i, last + 1 + i]))
  const attributes: Record<string, Partial<Record<keyof typeof TYPES, unknown>>> = {
    nodes_treeids: { wholes: zeros },
    nodes_nodeids: { wholes: ids },
    nodes_featureids: { wholes: zeros },
    nodes_modes: { texts: ids.map((id) => (id < last ? 'BRANCH_LEQ' : 'LEAF')) },
    nodes_values: { floats: ofBranches((id) => id + 0.5) },
    nodes_truenodeids: { wholes: ofBranches((id) => last + 1 + id) },
    nodes_falsenodeids: { wholes: ofBranches((id) => id + 1) },
    target_treeids: { wholes: ends.map(() => 0) },
    target_nodeids: { wholes: ends },
    target_ids: { wholes: ends.map((_, i) => i % 2) },
    target_weights: { floats: leaves.flatMap((argument) => [argument, 0]) },
    n_targets: { whole: 2 },
    post_transform: { text: 'SOFTMAX' },
  }
  return Object.entries(attributes).map(([name, value]) => {
    const [type] = Object.keys(value) as [keyof typeof TYPES]
    return { name, ...value, type: TYPES[type] }
  })
}
