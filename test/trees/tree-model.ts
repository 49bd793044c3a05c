import protobuf from 'protobufjs'

// Writes ONNX files that are one ensemble of trees, by onnx/onnx.proto3 and the operator
// TreeEnsembleRegressor of ai.onnx.ml 3.

const { root } = protobuf.parse(`
  syntax = "proto3";
  message Model { int64 ir_version = 1; Graph graph = 7; repeated Opset opset_import = 8; }
  message Opset { string domain = 1; int64 version = 2; }
  message Graph { repeated Node node = 1; string name = 2; repeated Value input = 11; repeated Value output = 12; }
  message Node { repeated string input = 1; repeated string output = 2; string op_type = 4; repeated Attribute attribute = 5; string domain = 7; }
  message Attribute { string name = 1; int64 i = 3; bytes s = 4; repeated float floats = 7; repeated int64 ints = 8; repeated bytes strings = 9; int32 type = 20; }
  message Value { string name = 1; Type type = 2; }
  message Type { Tensor tensor_type = 1; }
  message Tensor { int32 elem_type = 1; Shape shape = 2; }
  message Shape { repeated Dim dim = 1; }
  message Dim { int64 dim_value = 1; string dim_param = 2; }
`)
const Model = root.lookupType('Model')
const TYPES = { i: 2, s: 3, floats: 6, ints: 7, strings: 8 } as const
const FLOAT = 1

/** A branch of a tree; what several of them have below them is one node. */
interface ModelBranch {
  readonly mode: 'LEQ' | 'LT' | 'GTE' | 'GT' | 'EQ' | 'NEQ'
  readonly feature: number
  readonly value: number
  readonly missing: boolean
  readonly whenTrue: ModelNode
  readonly whenFalse: ModelNode
}

/** A leaf is its weight, in an object of its own. */
export type ModelNode = ModelBranch | { readonly weight: number }

/** The file of a model with the input `features` and the output `score`. */
export function treeModel(trees: readonly ModelNode[], features: number): Buffer {
  const rows = trees.flatMap((tree, t) => rowsOf(tree, t))
  const leaves = rows.filter(({ node }) => 'weight' in node)
  const branch = <T>(of: (node: ModelBranch, row: (typeof rows)[number]) => T, leaf: T) =>
    rows.map((row) => ('weight' in row.node ? leaf : of(row.node, row)))
  const attributes = {
    nodes_treeids: { ints: rows.map(({ tree }) => tree) },
    nodes_nodeids: { ints: rows.map(({ id }) => id) },
    nodes_featureids: { ints: branch(({ feature }) => feature, 0) },
    nodes_values: { floats: branch(({ value }) => value, 0) },
    nodes_modes: {
      strings: branch(({ mode }) => `BRANCH_${mode}`, 'LEAF').map((mode) => Buffer.from(mode)),
    },
    nodes_truenodeids: { ints: branch((_, row) => row.below[0] as number, 0) },
    nodes_falsenodeids: { ints: branch((_, row) => row.below[1] as number, 0) },
    nodes_missing_value_tracks_true: { ints: branch(({ missing }) => Number(missing), 0) },
    target_treeids: { ints: leaves.map(({ tree }) => tree) },
    target_nodeids: { ints: leaves.map(({ id }) => id) },
    target_ids: { ints: leaves.map(() => 0) },
    target_weights: { floats: leaves.map(({ node }) => (node as { weight: number }).weight) },
    n_targets: { i: 1 },
  }
  const value = (name: string, width: number) => {
    const shape = { dim: [{ dimParam: 'N' }, { dimValue: width }] }
    return { name, type: { tensorType: { elemType: FLOAT, shape } } }
  }
  const node = {
    ...{ input: ['features'], output: ['score'] },
    ...{ opType: 'TreeEnsembleRegressor', domain: 'ai.onnx.ml' },
    attribute: Object.entries(attributes).map(([name, own]) => {
      const [kind] = Object.keys(own) as [keyof typeof TYPES]
      return { name, ...own, type: TYPES[kind] }
    }),
  }
  const graph = {
    ...{ name: 'trees', node: [node] },
    ...{ input: [value('features', features)], output: [value('score', 1)] },
  }
  const opsetImport = [
    { domain: '', version: 17 },
    { domain: 'ai.onnx.ml', version: 3 },
  ]
  return Buffer.from(Model.encode(Model.fromObject({ irVersion: 9, graph, opsetImport })).finish())
}

/** A row for each node of a tree, the root first. */
function rowsOf(first: ModelNode, tree: number) {
  const ids = new Map<ModelNode, number>([[first, 0]])
  const idOf = (node: ModelNode) => {
    const id = ids.get(node) ?? ids.size
    ids.set(node, id)
    return id
  }
  const rows: { tree: number; id: number; node: ModelNode; below: number[] }[] = []
  for (const [node, id] of ids) {
    const below = 'weight' in node ? [] : [idOf(node.whenTrue), idOf(node.whenFalse)]
    rows.push({ tree, id, node, below })
  }
  return rows
}
