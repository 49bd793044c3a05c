// Decision trees as read from a model file, independent of the exporter.

/** How a branch compares a feature. For a missing one (NaN) only `neq` is true. */
export type Test = 'leq' | 'lt' | 'gte' | 'gt' | 'eq' | 'neq' | 'member'

/** An inner node of a tree. */
export interface Branch {
  /** Index of the feature that it tests. */
  readonly feature: number
  readonly test: Test
  /** float32s that the feature is compared with: one, or the members of the set. */
  readonly values: readonly number[]
  /** Whether the test counts as true for a missing feature. */
  readonly missingIsTrue: boolean
  readonly whenTrue: TreeNode
  readonly whenFalse: TreeNode
}

/** A leaf: the weights that it adds. */
export interface Leaf {
  readonly weights: readonly Weight[]
}

/** What a leaf adds to a target (class or output), as float32. */
export interface Weight {
  readonly target: number
  readonly weight: number
}

/** A tree, or a subtree, by its root. */
export type TreeNode = Branch | Leaf

/** How the trees' weights for a target become one number. */
export type Aggregate = 'sum' | 'average' | 'min' | 'max'
/** The `post_transform` of the numbers of a row. */
export type Transform = 'none' | 'logistic' | 'softmax' | 'softmax-zero'

/** A tree ensemble. */
export interface Ensemble {
  /** In the order in which their weights are added. */
  readonly trees: readonly TreeNode[]
  readonly aggregate: Aggregate
  /** Number of targets. */
  readonly targets: number
  /** Added to each target, as float32; may be empty. */
  readonly baseValues: readonly number[]
  readonly transform: Transform
  /** `null`: a regressor. */
  readonly classes: Classes | null
}

/** The classes of a classifier. */
export interface Classes {
  /** A label for each class; `null`: they are strings. */
  readonly labels: readonly number[] | null
  /** Whether there are two classes and the leaves have weights for only one of them. */
  readonly isBinary: boolean
  /** Whether all weights are at least 0: the sums are then already probabilities. */
  readonly areAllPositive: boolean
}

/** Whether a node is a leaf. */
export function isLeaf(node: TreeNode): node is Leaf {
  return 'weights' in node
}

/** A node of a tree, whatever its branches test. */
type AnyNode<N> = Leaf | { readonly whenTrue: N; readonly whenFalse: N }

/**
 * The nodes of a tree, each once though several paths may lead to it; those of the true branch come
 * first.
 */
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

/** All leaves of a tree, each once; those of the true branch come first. */
export function leavesOf(root: TreeNode): Leaf[] {
  return [...nodesOf(root)].filter(isLeaf)
}
