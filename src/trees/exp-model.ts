import protobuf from 'protobufjs/minimal.js'
import { doubtOf } from './float-functions.ts'
import { ELEMENT } from './onnx-file.ts'

// A model whose output shows the last bits of exp: one tree whose leaves are the arguments, and a
// softmax over an argument and 0. It is built when a model is loaded, since the result depends on
// the C library of this machine.

/** How many arguments the model has, and among how many they are the hardest to round. */
const ARGUMENTS = 1_000
const LOOKED_AT = 200_000
/** The smallest argument for which the softmax preserves all bits of exp. */
const LOWEST = -20

/** Name of the model's input. */
export const EXP_INPUT = 'row'
/** Name of the model's output. */
export const EXP_OUTPUT = 'scores'

/** The model's bytes, and one row of one feature for each argument. */
export function expModel(): { readonly bytes: Uint8Array; readonly rows: Float32Array } {
  const looked = Float32Array.from({ length: LOOKED_AT }, (_, i) => (LOWEST * (i + 1)) / LOOKED_AT)
  const doubts = Float64Array.from(looked, doubtOf)
  const enough = doubts.toSorted().at(-ARGUMENTS) as number
  const hard = [...looked].filter((_, i) => (doubts[i] as number) >= enough)
  return { bytes: modelOf(hard), rows: Float32Array.from(hard.keys()) }
}

/** Writes one field of a message. */
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

/** The attributes of a balanced tree in which a row with the feature i reaches leaf i. */
function attributesOf(leaves: readonly number[]): FieldWriter[] {
  const nodes: { value: number; whenTrue: number; whenFalse: number; leaf: number | null }[] = []
  const grow = (from: number, upTo: number): number => {
    const id = nodes.length
    const node = { value: 0, whenTrue: 0, whenFalse: 0, leaf: upTo - from === 1 ? from : null }
    nodes.push(node)
    if (node.leaf !== null) return id
    const middle = (from + upTo) >> 1
    node.value = middle - 0.5
    node.whenTrue = grow(from, middle)
    node.whenFalse = grow(middle, upTo)
    return id
  }
  grow(0, leaves.length)
  const ends = nodes.flatMap(({ leaf }, id) => (leaf === null ? [] : [{ id, leaf }]))
  const zeros = (like: readonly unknown[]) => like.map(() => 0)
  const both = ends.flatMap((end) => [end, end])
  return [
    wholes('nodes_treeids', zeros(nodes)),
    wholes('nodes_nodeids', [...nodes.keys()]),
    wholes('nodes_featureids', zeros(nodes)),
    texts(
      'nodes_modes',
      nodes.map(({ leaf }) => (leaf === null ? 'BRANCH_LEQ' : 'LEAF')),
    ),
    floats(
      'nodes_values',
      nodes.map(({ value }) => value),
    ),
    wholes(
      'nodes_truenodeids',
      nodes.map(({ whenTrue }) => whenTrue),
    ),
    wholes(
      'nodes_falsenodeids',
      nodes.map(({ whenFalse }) => whenFalse),
    ),
    wholes('target_treeids', zeros(both)),
    wholes(
      'target_nodeids',
      both.map(({ id }) => id),
    ),
    wholes(
      'target_ids',
      both.map((_, i) => i % 2),
    ),
    floats(
      'target_weights',
      both.map(({ leaf }, i) => (i % 2 === 0 ? (leaves[leaf] as number) : 0)),
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
  return attribute(name, 6, (to) => {
    to.uint32(58).fork()
    for (const value of values) to.float(value)
    return to.ldelim()
  })
}

function wholes(name: string, values: readonly number[]): FieldWriter {
  return attribute(name, 7, (to) => {
    to.uint32(66).fork()
    for (const value of values) to.int64(value)
    return to.ldelim()
  })
}

function texts(name: string, values: readonly string[]): FieldWriter {
  return attribute(name, 8, (to) => values.reduce((w, value) => w.uint32(74).string(value), to))
}
