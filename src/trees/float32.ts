import { ELEMENT } from './onnx-file.ts'

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

import protobuf from 'protobufjs/minimal.js'

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

type FieldWriter = (to: protobuf.Writer) => protobuf.Writer

/** Field numbers: onnx/onnx.proto3. */
function modelOf(leaves: readonly number[]): Uint8Array {
  const tensor = (columns: number): FieldWriter => {
    const dim = (size: number) => message(1, (to) => to.uint32(8).int64(size))
    const rows = message(1, (to) => to.uint32(18).string('N'))
    const shape = message(2, rows, dim(columns))
    return message(
      2,
      message(1, (to) => to.uint32(8).int32(ELEMENT.float32), shape),
    )
  }
  const named =
    (name: string): FieldWriter =>
    (to) =>
      to.uint32(10).string(name)
  const graph = message(
    7,
    message(
      1,
      named(EXP_INPUT),
      (to) => to.uint32(18).string(EXP_OUTPUT),
      (to) => to.uint32(34).string('TreeEnsembleRegressor'),
      ...attributesOf(leaves),
      (to) => to.uint32(58).string('ai.onnx.ml'),
    ),
    (to) => to.uint32(18).string('exp'),
    message(11, named(EXP_INPUT), tensor(1)),
    message(12, named(EXP_OUTPUT), tensor(2)),
  )
  const opset = (domain: string, version: number) =>
    message(8, named(domain), (to) => to.uint32(16).int64(version))
  const version: FieldWriter = (to) => to.uint32(8).int64(8)
  const parts = [version, graph, opset('', 17), opset('ai.onnx.ml', 3)]
  return parts.reduce((to, part) => part(to), protobuf.Writer.create()).finish()
}

function message(field: number, ...parts: readonly FieldWriter[]): FieldWriter {
  return (to) => {
    to.uint32(field * 8 + 2).fork()
    for (const part of parts) part(to)
    return to.ldelim()
  }
}

/** Row i reaches leaf i along a chain. Branches come first, then the last leaf, then the others. */
function attributesOf(leaves: readonly number[]): FieldWriter[] {
  const last = leaves.length - 1
  const ids = Array.from({ length: 2 * last + 1 }, (_, id) => id)
  const ofBranches = (number: (id: number) => number) =>
    ids.map((id) => (id < last ? number(id) : 0))
  const zeros = ofBranches(() => 0)
  const ends = leaves.flatMap((_, i) => (i === last ? [last, last] : [last + 1 + i, last + 1 + i]))
  return [
    wholes('nodes_treeids', zeros),
    wholes('nodes_nodeids', ids),
    wholes('nodes_featureids', zeros),
    attribute('nodes_modes', 8, (to) =>
      ids.reduce((w, id) => w.uint32(74).string(id < last ? 'BRANCH_LEQ' : 'LEAF'), to),
    ),
    floats(
      'nodes_values',
      ofBranches((id) => id + 0.5),
    ),
    wholes(
      'nodes_truenodeids',
      ofBranches((id) => last + 1 + id),
    ),
    wholes(
      'nodes_falsenodeids',
      ofBranches((id) => id + 1),
    ),
    wholes(
      'target_treeids',
      ends.map(() => 0),
    ),
    wholes('target_nodeids', ends),
    wholes(
      'target_ids',
      ends.map((_, i) => i % 2),
    ),
    floats(
      'target_weights',
      leaves.flatMap((argument) => [argument, 0]),
    ),
    attribute('n_targets', 2, (to) => to.uint32(24).int64(2)),
    attribute('post_transform', 3, (to) => to.uint32(34).string('SOFTMAX')),
  ]
}

/** `type`: 2 integer, 3 string, 6 floats, 7 integers, 8 strings. */
function attribute(name: string, type: number, value: FieldWriter): FieldWriter {
  return message(
    5,
    (to) => to.uint32(10).string(name),
    value,
    (to) => to.uint32(160).int32(type),
  )
}

function floats(name: string, values: readonly number[]): FieldWriter {
  return attribute(name, 6, (to) => values.reduce((w, value) => w.uint32(61).float(value), to))
}

function wholes(name: string, values: readonly number[]): FieldWriter {
  return attribute(name, 7, (to) => values.reduce((w, value) => w.uint32(64).int64(value), to))
}
