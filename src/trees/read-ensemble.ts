import {
  type Branch,
  type Classes,
  type Ensemble,
  isLeaf,
  type Leaf,
  NotRead,
  type Test,
  type Transform,
  type TreeAggregate,
  type TreeNode,
  type Weight,
} from './ensemble.ts'
import {
  ELEMENT,
  type OnnxAttribute,
  type OnnxNode,
  type OnnxTensor,
  valuesOf,
} from './onnx-file.ts'

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
const TESTS_BY_NUMBER: readonly Test[] = ['leq', 'lt', 'gte', 'gt', 'eq', 'neq', 'member']
const TRANSFORMS: Readonly<Record<string, Transform>> = {
  NONE: 'none',
  LOGISTIC: 'logistic',
  SOFTMAX: 'softmax',
  SOFTMAX_ZERO: 'softmax-zero',
}
const TRANSFORMS_BY_NUMBER: readonly Transform[] = ['none', 'softmax', 'logistic', 'softmax-zero']
const AGGREGATES: Readonly<Record<string, TreeAggregate>> = {
  SUM: 'sum',
  AVERAGE: 'average',
  MIN: 'min',
  MAX: 'max',
}
const AGGREGATES_BY_NUMBER: readonly TreeAggregate[] = ['average', 'sum', 'min', 'max']

export function isEnsemble({ operator }: OnnxNode): boolean {
  return operator === CLASSIFIER || operator === REGRESSOR || operator === ENSEMBLE
}

/** Trees with more nodes have too many paths for bit vectors. */
const MOST_NODES = 512

/**
 * Do most branches share subtrees, in trees too large for bit vectors? ONNX Runtime joins such
 * chains of equality tests, a categorical split, to one set: walking them is no faster.
 */
export function sharesMost(node: OnnxNode): boolean {
  const attributes = new Attributes(node)
  const modes = attributes.texts('nodes_modes')
  const roots = rootsOf(attributes.wholes('nodes_treeids')).length
  const leaves = modes.filter((mode) => mode === 'LEAF').length
  const branches = modes.length - leaves
  // Without sharing, a tree has one leaf more than branches.
  return modes.length > MOST_NODES * roots && branches - (leaves - roots) > branches / 2
}

export function readEnsemble(node: OnnxNode): Ensemble {
  const attributes = new Attributes(node)
  if (node.operator === ENSEMBLE) return readFifth(attributes)
  if (sharesMost(node)) throw new NotRead('large trees whose branches share subtrees')
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

/** @param of prefix of the weights' attributes */
function treesByNode(attributes: Attributes, of: 'class' | 'target'): TreeNode[] {
  const treeIds = attributes.wholes('nodes_treeids')
  const nodeIds = attributes.wholes('nodes_nodeids')
  const modes = attributes.texts('nodes_modes')
  const features = attributes.wholes('nodes_featureids')
  const values = attributes.floats('nodes_values')
  const whenTrue = attributes.wholes('nodes_truenodeids')
  const whenFalse = attributes.wholes('nodes_falsenodeids')
  const missing = attributes.wholes('nodes_missing_value_tracks_true')
  const placeOf = (tree: number, node: number) => tree * 2 ** 32 + node
  const rows = new Map(treeIds.map((tree, row) => [placeOf(tree, nodeIds[row] as number), row]))
  const weights = weightsByRow(attributes, of, (tree, node) => rows.get(placeOf(tree, node)))
  const builder = new Builder((row) => {
    if (modes[row] === 'LEAF') return { weights: weights.get(row) ?? [] }
    const tree = treeIds[row] as number
    const rowOf = (node: number) => {
      const found = rows.get(placeOf(tree, node))
      if (found === undefined) throw new NotRead(`tree ${tree} has no node ${node}`)
      return found
    }
    return {
      feature: features[row] as number,
      test: oneOf(TESTS, modes[row] as string),
      values: [values[row] as number],
      missingIsTrue: missing[row] === 1,
      whenTrue: rowOf(whenTrue[row] as number),
      whenFalse: rowOf(whenFalse[row] as number),
    }
  })
  return rootsOf(treeIds).map((row) => builder.build(row))
}

/** A new tree starts where the tree number changes, as in ONNX Runtime. */
function rootsOf(treeIds: readonly number[]): number[] {
  return treeIds.flatMap((tree, row) => (tree === treeIds[row - 1] ? [] : [row]))
}

type Numbered = Omit<Branch, 'whenTrue' | 'whenFalse'> & Record<'whenTrue' | 'whenFalse', number>

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
    if ('weights' in node) {
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
  const { test, feature, missingIsTrue, whenTrue, whenFalse: next } = node
  const isOfOneSet =
    test === 'eq' &&
    'test' in next &&
    next.test === 'eq' &&
    next.feature === feature &&
    next.whenTrue === whenTrue
  if (isOfOneSet && next.missingIsTrue !== missingIsTrue) {
    throw new NotRead('equality tests of one set that differ on missing features')
  }
  return node
}

function weightsByRow(
  attributes: Attributes,
  of: 'class' | 'target',
  rowOf: (tree: number, node: number) => number | undefined,
): ReadonlyMap<number, Weight[]> {
  const treeIds = attributes.wholes(`${of}_treeids`)
  const nodeIds = attributes.wholes(`${of}_nodeids`)
  const targets = attributes.wholes(`${of}_ids`)
  const weights = attributes.floats(`${of}_weights`)
  const byRow = new Map<number, Weight[]>()
  for (const [i, tree] of treeIds.entries()) {
    const row = rowOf(tree, nodeIds[i] as number)
    const weight = { target: targets[i] as number, weight: weights[i] as number }
    if (row === undefined) continue
    const known = byRow.get(row)
    if (known === undefined) byRow.set(row, [weight])
    else known.push(weight)
  }
  return byRow
}

/** TreeEnsemble of ai.onnx.ml 5 numbers branches and leaves separately; a leaf has one weight. */
function readFifth(attributes: Attributes): Ensemble {
  const modes = attributes.tensor('nodes_modes', ELEMENT.uint8)
  const splits = attributes.tensor('nodes_splits', ELEMENT.float32)
  const features = attributes.wholes('nodes_featureids')
  const missing = attributes.wholes('nodes_missing_value_tracks_true')
  const to = {
    whenTrue: {
      ids: attributes.wholes('nodes_truenodeids'),
      leaves: attributes.wholes('nodes_trueleafs'),
    },
    whenFalse: {
      ids: attributes.wholes('nodes_falsenodeids'),
      leaves: attributes.wholes('nodes_falseleafs'),
    },
  }
  const targets = attributes.wholes('leaf_targetids')
  const weights = attributes.tensor('leaf_weights', ELEMENT.float32)
  const members = membersOf(attributes, modes)
  const follow = ({ ids, leaves }: typeof to.whenTrue, id: number) =>
    (ids[id] as number) + (leaves[id] === 1 ? features.length : 0)
  const builder = new Builder((id) => {
    const leaf = id - features.length
    if (leaf >= 0) {
      if (!(leaf in targets)) throw new NotRead(`there is no leaf ${leaf}`)
      return { weights: [{ target: targets[leaf] as number, weight: weights[leaf] as number }] }
    }
    if (!(id in features)) throw new NotRead(`there is no node ${id}`)
    return {
      feature: features[id] as number,
      test: TESTS_BY_NUMBER[modes[id] as number] ?? unknownTest(modes[id] as number),
      values: members.get(id) ?? [splits[id] as number],
      missingIsTrue: missing[id] === 1,
      whenTrue: follow(to.whenTrue, id),
      whenFalse: follow(to.whenFalse, id),
    }
  })
  const aggregate = AGGREGATES_BY_NUMBER[attributes.whole('aggregate_function') ?? 1]
  const transform = TRANSFORMS_BY_NUMBER[attributes.whole('post_transform') ?? 0]
  if (aggregate === undefined || transform === undefined) {
    throw new NotRead('unknown aggregate_function or post_transform')
  }
  return {
    trees: attributes.wholes('tree_roots').map((root) => {
      if (!(root in features)) throw new NotRead(`there is no node ${root}`)
      return oneLeaf(builder.build(root))
    }),
    aggregate,
    targets: attributes.whole('n_targets') ?? 1,
    baseValues: [],
    transform,
    classes: null,
  }
}

/** A tree of a single leaf is stored as a branch with that leaf on both sides. */
function oneLeaf(root: TreeNode): TreeNode {
  if (isLeaf(root) || root.whenTrue !== root.whenFalse) return root
  return isLeaf(root.whenTrue) ? root.whenTrue : root
}

/** The file has one set after the other, each ended by a NaN. */
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

class Attributes {
  readonly #of: ReadonlyMap<string, OnnxAttribute>

  constructor({ attributes }: OnnxNode) {
    this.#of = attributes
  }

  whole(name: string): number | null {
    const { whole = null } = this.#of.get(name) ?? {}
    return whole === null ? null : Number(whole)
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
    const values = tensor?.type === type ? valuesOf(tensor) : null
    if (values === null) {
      throw new NotRead(`attribute "${name}" is missing or has an unexpected type`)
    }
    return values
  }

  refuseAny(is: (name: string) => boolean, what: string): void {
    if ([...this.#of.keys()].some(is)) throw new NotRead(what)
  }
}
