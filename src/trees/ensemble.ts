/** Why ONNX Runtime must run a model: it, or a part of it, is not supported here. */
export class NotRead extends Error {
  override readonly name = 'NotRead'
}

/** A comparison with a feature. For a missing one (NaN) only `neq` is true. */
export type Test = 'leq' | 'lt' | 'gte' | 'gt' | 'eq' | 'neq' | 'member'

export interface Branch {
  readonly feature: number
  readonly test: Test
  /** The float32s to compare with: one, or the members of the set. */
  readonly values: readonly number[]
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
export type Transform = 'none' | 'logistic' | 'softmax' | 'softmax-zero'

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
  /** Are there two classes, and weights for only one of them? */
  readonly isBinary: boolean
  /** Are all weights at least 0, and the sums probabilities already? */
  readonly areAllPositive: boolean
}

export function isLeaf(node: TreeNode): node is Leaf {
  return 'weights' in node
}

type AnyNode<N> = Leaf | { readonly whenTrue: N; readonly whenFalse: N }

/** Each node once, though several paths may lead to it; the true branch comes first. */
export function nodesOf<N extends AnyNode<N>>(root: N): Set<N> {
  const nodes = new Set<N>()
  // Trees may be deeper than calls may be nested.
  const left = [root]
  for (let node = left.pop(); node !== undefined; node = left.pop()) {
    if (nodes.has(node)) continue
    nodes.add(node)
    if (!('weights' in node)) left.push(node.whenFalse, node.whenTrue)
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

export function isTrue({ test, values, missingIsTrue }: Branch, x: number): boolean {
  if (missingIsTrue && Number.isNaN(x)) return true
  const value = values[0] as number
  switch (test) {
    case 'leq':
      return x <= value
    case 'lt':
      return x < value
    case 'gte':
      return x >= value
    case 'gt':
      return x > value
    case 'eq':
      return x === value
    case 'neq':
      return x !== value
    case 'member':
      return values.includes(x)
  }
}
