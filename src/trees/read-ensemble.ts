import type {
  Aggregate,
  Branch,
  Classes,
  Ensemble,
  Leaf,
  Test,
  Transform,
  TreeNode,
  Weight,
} from './ensemble.ts'
import { NotRead } from './not-read.ts'
import type { OnnxAttribute, OnnxNode, OnnxTensor } from './onnx-file.ts'
import { ELEMENT } from './onnx-file.ts'

// Reads the tree operators of ONNX: TreeEnsembleClassifier and TreeEnsembleRegressor of ai.onnx.ml
// 1 to 4, TreeEnsemble of ai.onnx.ml 5. https://onnx.ai/onnx/operators/ (ai.onnx.ml)

const CLASSIFIER = 'ai.onnx.ml.TreeEnsembleClassifier'
const REGRESSOR = 'ai.onnx.ml.TreeEnsembleRegressor'
const ENSEMBLE = 'ai.onnx.ml.TreeEnsemble'

const TESTS: Readonly<Record<string, Test>> = {
  BRANCH_LEQ: 'leq',
  BRANCH_LT: 'lt',
  BRANCH_GTE: 'gte',
  BRANCH_GT: 'gt',
  BRANCH_EQ: 'eq',
  BRANCH_NEQ: 'neq',
}
/** Tests of TreeEnsemble, by number. */
const TESTS_BY_NUMBER: readonly Test[] = ['leq', 'lt', 'gte', 'gt', 'eq', 'neq', 'member']
const TRANSFORMS: Readonly<Record<string, Transform>> = {
  NONE: 'none',
  LOGISTIC: 'logistic',
  SOFTMAX: 'softmax',
  SOFTMAX_ZERO: 'softmax-zero',
  PROBIT: 'probit',
}
const TRANSFORMS_BY_NUMBER: readonly Transform[] = [
  'none',
  'softmax',
  'logistic',
  'softmax-zero',
  'probit',
]
const AGGREGATES: Readonly<Record<string, Aggregate>> = {
  SUM: 'sum',
  AVERAGE: 'average',
  MIN: 'min',
  MAX: 'max',
}
const AGGREGATES_BY_NUMBER: readonly Aggregate[] = ['average', 'sum', 'min', 'max']

/** Whether the node is a tree ensemble. */
export function isEnsemble({ operator }: OnnxNode): boolean {
  return operator === CLASSIFIER || operator === REGRESSOR || operator === ENSEMBLE
}

/** Reads the ensemble of a node. @throws NotRead with what is not supported */
export function readEnsemble(node: OnnxNode): Ensemble {
  const attributes = new Attributes(node)
  if (node.operator === ENSEMBLE) return readFifth(attributes)
  attributes.refuseAny((name) => name.endsWith('_as_tensor'), 'values in double precision')
  return node.operator === CLASSIFIER ? readClassifier(attributes) : readRegressor(attributes)
}

function readRegressor(attributes: Attributes): Ensemble {
  return {
    trees: treesByNode(attributes, 'target'),
    aggregate: oneOf(AGGREGATES, attributes.text('aggregate_function') ?? 'SUM'),
    targets: attributes.whole('n_targets') ?? 1,
    baseValues: attributes.floats('base_values'),
    transform: oneOf(TRANSFORMS, attributes.text('post_transform') ?? 'NONE'),
    classes: null,
  }
}

function readClassifier(attributes: Attributes): Ensemble {
  const texts = attributes.texts('classlabels_strings')
  const labels = attributes.wholes('classlabels_int64s')
  const targets = texts.length === 0 ? labels.length : texts.length
  const weighted = new Set(attributes.wholes('class_ids'))
  const classes: Classes = {
    labels: texts.length === 0 ? labels : null,
    isBinary: targets === 2 && weighted.size === 1,
    areAllPositive: attributes.floats('class_weights').every((weight) => weight >= 0),
  }
  return {
    trees: treesByNode(attributes, 'class'),
    aggregate: 'sum',
    targets,
    baseValues: attributes.floats('base_values'),
    transform: oneOf(TRANSFORMS, attributes.text('post_transform') ?? 'NONE'),
    classes,
  }
}

/**
 * Builds the trees from two tables: one has a row for each node of each tree, the other one for
 * each weight. `of`: prefix of the weights' attributes.
 */
function treesByNode(attributes: Attributes, of: 'class' | 'target'): TreeNode[] {
  const treeIds = attributes.wholes('nodes_treeids')
  const nodeIds = attributes.wholes('nodes_nodeids')
  const modes = attributes.texts('nodes_modes')
  const features = attributes.wholes('nodes_featureids')
  const values = attributes.floats('nodes_values')
  const whenTrue = attributes.wholes('nodes_truenodeids')
  const whenFalse = attributes.wholes('nodes_falsenodeids')
  const missing = attributes.wholes('nodes_missing_value_tracks_true')
  const rows = new Map(treeIds.map((tree, row) => [`${tree} ${nodeIds[row]}`, row]))
  const weights = weightsByNode(attributes, of)
  const build = (tree: number, id: number, left: number): TreeNode => {
    const name = `${tree} ${id}`
    const row = rows.get(name)
    if (row === undefined) throw new NotRead(`tree ${tree} has no node ${id}`)
    if (left === 0) throw new NotRead(`the nodes of tree ${tree} form a cycle`)
    if (modes[row] === 'LEAF') return { weights: weights.get(name) ?? [] }
    return {
      feature: features[row] as number,
      test: oneOf(TESTS, modes[row] as string),
      values: [values[row] as number],
      missingIsTrue: missing[row] === 1,
      whenTrue: build(tree, whenTrue[row] as number, left - 1),
      whenFalse: build(tree, whenFalse[row] as number, left - 1),
    }
  }
  // A tree starts where the tree number changes, as in ONNX Runtime.
  const roots = treeIds.flatMap((tree, row) => (tree === treeIds[row - 1] ? [] : [row]))
  return roots.map((row) => build(treeIds[row] as number, nodeIds[row] as number, treeIds.length))
}

function weightsByNode(
  attributes: Attributes,
  of: 'class' | 'target',
): ReadonlyMap<string, Weight[]> {
  const treeIds = attributes.wholes(`${of}_treeids`)
  const nodeIds = attributes.wholes(`${of}_nodeids`)
  const targets = attributes.wholes(`${of}_ids`)
  const weights = attributes.floats(`${of}_weights`)
  const byNode = new Map<string, Weight[]>()
  for (const [i, tree] of treeIds.entries()) {
    const name = `${tree} ${nodeIds[i]}`
    const weight = { target: targets[i] as number, weight: weights[i] as number }
    const known = byNode.get(name)
    if (known === undefined) byNode.set(name, [weight])
    else known.push(weight)
  }
  return byNode
}

/**
 * Reads TreeEnsemble of ai.onnx.ml 5, in which branches and leaves are numbered separately and a
 * leaf has one weight.
 */
function readFifth(attributes: Attributes): Ensemble {
  const modes = attributes.tensor('nodes_modes', ELEMENT.uint8)
  const splits = attributes.tensor('nodes_splits', ELEMENT.float32)
  const features = attributes.wholes('nodes_featureids')
  const missing = attributes.wholes('nodes_missing_value_tracks_true')
  const to = {
    whenTrue: {
      ids: attributes.wholes('nodes_truenodeids'),
      isLeaf: attributes.wholes('nodes_trueleafs'),
    },
    whenFalse: {
      ids: attributes.wholes('nodes_falsenodeids'),
      isLeaf: attributes.wholes('nodes_falseleafs'),
    },
  }
  const targets = attributes.wholes('leaf_targetids')
  const weights = attributes.tensor('leaf_weights', ELEMENT.float32)
  const members = membersOf(attributes, modes)
  const leaf = (id: number): Leaf => {
    if (!(id in targets)) throw new NotRead(`there is no leaf ${id}`)
    return { weights: [{ target: targets[id] as number, weight: weights[id] as number }] }
  }
  const branch = (id: number, left: number): Branch => {
    if (!(id in features)) throw new NotRead(`there is no node ${id}`)
    if (left === 0) throw new NotRead('the nodes form a cycle')
    const follow = ({ ids, isLeaf }: typeof to.whenTrue): TreeNode => {
      const next = ids[id] as number
      return isLeaf[id] === 1 ? leaf(next) : branch(next, left - 1)
    }
    return {
      feature: features[id] as number,
      test: TESTS_BY_NUMBER[modes[id] as number] ?? unknownTest(modes[id] as number),
      values: members.get(id) ?? [splits[id] as number],
      missingIsTrue: missing[id] === 1,
      whenTrue: follow(to.whenTrue),
      whenFalse: follow(to.whenFalse),
    }
  }
  const aggregate = AGGREGATES_BY_NUMBER[attributes.whole('aggregate_function') ?? 1]
  const transform = TRANSFORMS_BY_NUMBER[attributes.whole('post_transform') ?? 0]
  if (aggregate === undefined || transform === undefined) {
    throw new NotRead('unknown aggregate_function or post_transform')
  }
  return {
    trees: attributes
      .wholes('tree_roots')
      .map((root) => rootOf(branch(root, features.length), to, root)),
    aggregate,
    targets: attributes.whole('n_targets') ?? 1,
    baseValues: [],
    transform,
    classes: null,
  }
}

/** A tree that is a single leaf is stored as a branch with that leaf on both sides. */
function rootOf(
  branch: Branch,
  to: {
    readonly whenTrue: { readonly ids: readonly number[] }
    readonly whenFalse: { readonly ids: readonly number[] }
  },
  root: number,
): TreeNode {
  const { whenTrue, whenFalse } = branch
  const isOneLeaf =
    'weights' in whenTrue &&
    'weights' in whenFalse &&
    to.whenTrue.ids[root] === to.whenFalse.ids[root]
  return isOneLeaf ? whenTrue : branch
}

/**
 * The members of each set-membership test, by node. The file stores the sets one after the other,
 * each terminated by a NaN.
 */
function membersOf(
  attributes: Attributes,
  modes: readonly number[],
): ReadonlyMap<number, number[]> {
  const ids = modes.flatMap((mode, id) => (TESTS_BY_NUMBER[mode] === 'member' ? [id] : []))
  const members = new Map<number, number[]>(ids.map((id) => [id, []]))
  if (ids.length === 0) return members
  let turn = 0
  for (const value of attributes.tensor('membership_values', ELEMENT.float32)) {
    if (Number.isNaN(value)) turn++
    else members.get(ids[turn] as number)?.push(value)
  }
  return members
}

function unknownTest(mode: number): never {
  throw new NotRead(`unknown node mode ${mode}`)
}

function oneOf<T>(known: Readonly<Record<string, T>>, name: string): T {
  const found = known[name]
  if (found === undefined) throw new NotRead(`unknown value "${name}"`)
  return found
}

/** A node's attributes by name and type. */
class Attributes {
  readonly #of: ReadonlyMap<string, OnnxAttribute>

  constructor({ attributes }: OnnxNode) {
    this.#of = attributes
  }

  whole(name: string): number | null {
    return this.#of.get(name)?.whole ?? null
  }

  text(name: string): string | null {
    return this.#of.get(name)?.text ?? null
  }

  floats(name: string): readonly number[] {
    return this.#of.get(name)?.floats ?? []
  }

  wholes(name: string): readonly number[] {
    return this.#of.get(name)?.wholes ?? []
  }

  texts(name: string): readonly string[] {
    return this.#of.get(name)?.texts ?? []
  }

  /** @throws NotRead when it is missing or has another type */
  tensor(name: string, type: number): readonly number[] {
    const tensor: OnnxTensor | null = this.#of.get(name)?.tensor ?? null
    if (tensor?.values == null || tensor.type !== type) {
      throw new NotRead(`attribute "${name}" is missing or has an unexpected type`)
    }
    return tensor.values
  }

  refuseAny(is: (name: string) => boolean, what: string): void {
    if ([...this.#of.keys()].some(is)) throw new NotRead(what)
  }
}
