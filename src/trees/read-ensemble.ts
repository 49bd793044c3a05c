import { groupedBy } from '../kernel/grouped.ts'
import {
  type Branch,
  type Classes,
  type Ensemble,
  isLeaf,
  type Leaf,
  NotRead,
  type Transform,
  type TreeAggregate,
  type TreeNode,
  type Weight,
} from './ensemble.ts'
import { bitsOf, fromBits } from './float32.ts'
import { NO_ATTRIBUTE, type OnnxAttribute, type OnnxNode } from './onnx-file.ts'

// Reads the tree operators of ONNX that exporters write: TreeEnsembleClassifier and
// TreeEnsembleRegressor of ai.onnx.ml 1 to 4. https://onnx.ai/onnx/operators/ (ai.onnx.ml)

const CLASSIFIER = 'ai.onnx.ml.TreeEnsembleClassifier'
const REGRESSOR = 'ai.onnx.ml.TreeEnsembleRegressor'

interface Comparison {
  readonly isEqual?: boolean
  /** Whether the value itself is outside. */
  readonly isBelow?: boolean
  /** Whether it is the negation of `x ≤ value` or `x = value`. */
  readonly isNegated?: boolean
}

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  BRANCH_LEQ: {},
  BRANCH_LT: { isBelow: true },
  BRANCH_GTE: { isBelow: true, isNegated: true },
  BRANCH_GT: { isNegated: true },
  BRANCH_EQ: { isEqual: true },
  BRANCH_NEQ: { isEqual: true, isNegated: true },
}
const TRANSFORMS: Readonly<Record<string, Transform>> = {
  NONE: 'none',
  LOGISTIC: 'logistic',
  SOFTMAX: 'softmax',
}
const AGGREGATES: Readonly<Record<string, TreeAggregate>> = {
  SUM: 'sum',
  AVERAGE: 'average',
  MIN: 'min',
  MAX: 'max',
}

export function isEnsemble({ operator }: OnnxNode): boolean {
  return operator === CLASSIFIER || operator === REGRESSOR
}

/** Trees with more nodes have too many paths for bit vectors. */
const MOST_NODES = 512

/**
 * Whether most branches share subtrees, in trees too large for bit vectors. ONNX Runtime joins such
 * chains of equality tests, a categorical split, to one set: walking them is not faster.
 */
function sharesMost(node: OnnxNode): boolean {
  const attribute = attributeOf(node)
  const modes = attribute('nodes_modes').texts
  const roots = rootsOf(attribute('nodes_treeids').wholes).length
  const leaves = modes.filter((mode) => mode === 'LEAF').length
  const branches = modes.length - leaves
  // Without sharing, a tree has one leaf more than branches.
  return modes.length > MOST_NODES * roots && branches - (leaves - roots) > branches / 2
}

export function readEnsemble(node: OnnxNode): Ensemble {
  if (sharesMost(node)) throw new NotRead('large trees whose branches share subtrees')
  const isDouble = [...node.attributes.keys()].some((name) => name.endsWith('_as_tensor'))
  if (isDouble) throw new NotRead('values in double precision')
  const attribute = attributeOf(node)
  return node.operator === CLASSIFIER ? readClassifier(attribute) : readRegressor(attribute)
}

function readRegressor(attribute: AttributeOf): Ensemble {
  return {
    trees: treesByNode(attribute, 'target'),
    aggregate: oneOf(AGGREGATES, attribute('aggregate_function').text || 'SUM'),
    targets: Number(attribute('n_targets').whole) || 1,
    baseValues: attribute('base_values').floats,
    transform: oneOf(TRANSFORMS, attribute('post_transform').text || 'NONE'),
    classes: null,
  }
}

function readClassifier(attribute: AttributeOf): Ensemble {
  const texts = attribute('classlabels_strings').texts
  const labels = attribute('classlabels_int64s').wholes
  const targets = texts.length === 0 ? labels.length : texts.length
  const weighted = new Set(attribute('class_ids').wholes)
  const classes: Classes = {
    labels: texts.length === 0 ? labels : null,
    isBinary: targets === 2 && weighted.size === 1,
    areAllPositive: attribute('class_weights').floats.every((weight) => weight >= 0),
  }
  return {
    trees: treesByNode(attribute, 'class'),
    aggregate: 'sum',
    targets,
    baseValues: attribute('base_values').floats,
    transform: oneOf(TRANSFORMS, attribute('post_transform').text || 'NONE'),
    classes,
  }
}

/** @param prefix of the weights' attributes */
function treesByNode(attribute: AttributeOf, prefix: 'class' | 'target'): TreeNode[] {
  const treeIds = attribute('nodes_treeids').wholes
  const nodeIds = attribute('nodes_nodeids').wholes
  const modes = attribute('nodes_modes').texts
  const features = attribute('nodes_featureids').wholes
  const values = attribute('nodes_values').floats
  const whenTrue = attribute('nodes_truenodeids').wholes
  const whenFalse = attribute('nodes_falsenodeids').wholes
  const missing = attribute('nodes_missing_value_tracks_true').wholes
  const placeOf = (tree: number, node: number) => tree * 2 ** 32 + node
  const rows = new Map(treeIds.map((tree, row) => [placeOf(tree, nodeIds[row] as number), row]))
  const weights = weightsByRow(attribute, prefix, (tree, node) => rows.get(placeOf(tree, node)))
  const builder = new Builder((row) => {
    if (modes[row] === 'LEAF') return { weights: weights.get(row) ?? [] }
    const tree = treeIds[row] as number
    const rowOf = (node: number) => {
      const nodeRow = rows.get(placeOf(tree, node))
      if (nodeRow === undefined) throw new NotRead(`tree ${tree} has no node ${node}`)
      return nodeRow
    }
    return reduced(oneOf(COMPARISONS, modes[row] as string), {
      feature: features[row] as number,
      value: values[row] as number,
      missingIsTrue: missing[row] === 1,
      whenTrue: rowOf(whenTrue[row] as number),
      whenFalse: rowOf(whenFalse[row] as number),
    })
  })
  return rootsOf(treeIds).map((row) => builder.build(row))
}

/** A new tree starts where the tree number changes, as in ONNX Runtime. */
function rootsOf(treeIds: readonly number[]): number[] {
  return treeIds.flatMap((tree, row) => (tree === treeIds[row - 1] ? [] : [row]))
}

type Numbered = Omit<Branch, 'whenTrue' | 'whenFalse'> & Record<'whenTrue' | 'whenFalse', number>

/** @throws NotRead for a comparison with NaN, or with less than −∞ */
function reduced(
  { isEqual = false, isBelow = false, isNegated = false }: Comparison,
  read: Omit<Numbered, 'isEqual'>,
): Numbered {
  if (Number.isNaN(read.value)) throw new NotRead('a comparison with NaN')
  const value = isBelow ? nextBelow(read.value) : read.value
  if (!isNegated) return { ...read, value, isEqual }
  // The sides are swapped, and a missing feature still goes the same way. It equals nothing, so for
  // `≠` the test was true.
  const missingIsTrue = !isEqual && !read.missingIsTrue
  const sides = { whenTrue: read.whenFalse, whenFalse: read.whenTrue }
  return { ...read, ...sides, value, isEqual, missingIsTrue }
}

/** The largest float32 below `value`. @throws NotRead for −∞ */
function nextBelow(value: number): number {
  if (value === Number.NEGATIVE_INFINITY) throw new NotRead('a test for less than −∞')
  if (value === 0) return -(2 ** -149)
  return fromBits(bitsOf(value) + (value > 0 ? -1 : 1))
}

/** Builds each node once, because exporters share subtrees, which may have any number of copies. */
class Builder {
  readonly #read: (id: number) => Leaf | Numbered
  readonly #built = new Map<number, TreeNode>()
  readonly #begun = new Map<number, Numbered>()

  constructor(read: (id: number) => Leaf | Numbered) {
    this.#read = read
  }

  /** @throws NotRead the nodes form a cycle, or some cannot be read */
  build(root: number): TreeNode {
    const left = [root]
    for (let id = left.at(-1); id !== undefined; id = left.at(-1)) {
      const begun = this.#begun.get(id)
      if (this.#built.has(id)) left.pop()
      else if (begun === undefined) this.#begin(id, left)
      else this.#built.set(id, this.#branch(begun))
    }
    return this.#built.get(root) as TreeNode
  }

  #begin(id: number, left: number[]): void {
    const node = this.#read(id)
    if (isLeaf(node)) {
      this.#built.set(id, node)
      return
    }
    this.#begun.set(id, node)
    for (const next of [node.whenFalse, node.whenTrue]) {
      if (this.#built.has(next)) continue
      if (this.#begun.has(next)) throw new NotRead('the nodes form a cycle')
      left.push(next)
    }
  }

  #branch(begun: Numbered): Branch {
    const whenTrue = this.#built.get(begun.whenTrue) as TreeNode
    return checked({ ...begun, whenTrue, whenFalse: this.#built.get(begun.whenFalse) as TreeNode })
  }
}

/** ONNX Runtime joins equality tests into a set with a single flag for NaN. @throws NotRead */
function checked(node: Branch): Branch {
  const { isEqual, feature, missingIsTrue, whenTrue, whenFalse: next } = node
  const isOfOneSet =
    isEqual &&
    !isLeaf(next) &&
    next.isEqual &&
    next.feature === feature &&
    next.whenTrue === whenTrue
  if (isOfOneSet && next.missingIsTrue !== missingIsTrue) {
    throw new NotRead('equality tests of one set that differ on missing features')
  }
  return node
}

function weightsByRow(
  attribute: AttributeOf,
  prefix: 'class' | 'target',
  rowOf: (tree: number, node: number) => number | undefined,
): ReadonlyMap<number, readonly Weight[]> {
  const nodeIds = attribute(`${prefix}_nodeids`).wholes
  const targets = attribute(`${prefix}_ids`).wholes
  const weights = attribute(`${prefix}_weights`).floats
  const all = attribute(`${prefix}_treeids`).wholes.map((tree, i) => {
    const row = rowOf(tree, nodeIds[i] as number)
    return { row, target: targets[i] as number, weight: weights[i] as number }
  })
  return groupedBy(all, ({ row }) => row)
}

function oneOf<T>(options: Readonly<Record<string, T>>, name: string): T {
  const option = options[name]
  if (option === undefined) throw new NotRead(`unknown value "${name}"`)
  return option
}

type AttributeOf = (name: string) => OnnxAttribute

function attributeOf({ attributes }: OnnxNode): AttributeOf {
  return (name) => attributes.get(name) ?? NO_ATTRIBUTE
}
