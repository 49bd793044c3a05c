/** Why ONNX Runtime must run a model: it, or a part of it, is not supported here. */
export class NotRead extends Error {
  override readonly name = 'NotRead'
}

/** The test `x ≤ value` or `x = value` of a feature, a float32. All others are reduced to these. */
export interface Branch {
  readonly feature: number
  readonly value: number
  readonly isEqual: boolean
  /** Whether the test is true for a missing feature, NaN. */
  readonly missingIsTrue: boolean
  readonly whenTrue: TreeNode
  readonly whenFalse: TreeNode
}

export interface Leaf {
  readonly weights: readonly Weight[]
}

/** A float32 that a leaf adds to a target, a class or an output. */
export interface Weight {
  readonly target: number
  readonly weight: number
}

export type TreeNode = Branch | Leaf

export type TreeAggregate = 'sum' | 'average' | 'min' | 'max'
/** The `post_transform`. */
export type Transform = 'none' | 'logistic' | 'softmax'

export interface Ensemble {
  /** In the order in which their weights are added. */
  readonly trees: readonly TreeNode[]
  readonly aggregate: TreeAggregate
  readonly targets: number
  readonly baseValues: readonly number[]
  readonly transform: Transform
  readonly classes: Classes | null
}

export interface Classes {
  /** By class; `null`: they are strings. */
  readonly labels: readonly number[] | null
  /** Whether there are two classes, and weights for only one of them. */
  readonly isBinary: boolean
  /** Whether all weights are at least 0, and the sums probabilities already. */
  readonly areAllPositive: boolean
}

export function isLeaf(node: object): node is Leaf {
  return 'weights' in node
}

/** Each node once, though several paths may lead to it; the true branch comes first. */
export function nodesOf(root: TreeNode): Set<TreeNode> {
  const nodes = new Set<TreeNode>()
  // Trees may be deeper than calls may be nested.
  const left = [root]
  for (let node = left.pop(); node !== undefined; node = left.pop()) {
    if (nodes.has(node)) continue
    nodes.add(node)
    if (!isLeaf(node)) left.push(node.whenFalse, node.whenTrue)
  }
  return nodes
}

export function leavesOf(root: TreeNode): Leaf[] {
  return [...nodesOf(root)].filter(isLeaf)
}

export function initialSum({ aggregate }: Pick<Ensemble, 'aggregate'>): number {
  if (aggregate === 'min') return Number.POSITIVE_INFINITY
  return aggregate === 'max' ? Number.NEGATIVE_INFINITY : 0
}

export function isTrue({ value, isEqual, missingIsTrue }: Branch, x: number): boolean {
  if (Number.isNaN(x)) return missingIsTrue
  return isEqual ? x === value : x <= value
}
