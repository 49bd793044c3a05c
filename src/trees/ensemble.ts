// Decision trees as they are in a model's file, whatever wrote it.

/** How a branch looks at a feature. A missing one (NaN) fulfils none but `neq`. */
export type Test = 'leq' | 'lt' | 'gte' | 'gt' | 'eq' | 'neq' | 'member'

export interface Branch {
  readonly feature: number
  readonly test: Test
  /** float32s that it is compared with: one, or the members. */
  readonly values: readonly number[]
  /** Is a missing feature taken for one that fulfils the test? */
  readonly missingIsTrue: boolean
  readonly whenTrue: TreeNode
  readonly whenFalse: TreeNode
}

export interface Leaf {
  readonly weights: readonly Weight[]
}

/** What a leaf adds to a target, as float32. */
export interface Weight {
  readonly target: number
  readonly weight: number
}

export type TreeNode = Branch | Leaf

/** How what the trees give becomes one number for each target. */
export type Aggregate = 'sum' | 'average' | 'min' | 'max'
export type Transform = 'none' | 'logistic' | 'softmax' | 'softmax-zero' | 'probit'

export interface Ensemble {
  /** In the order in which they are added. */
  readonly trees: readonly TreeNode[]
  readonly aggregate: Aggregate
  readonly targets: number
  /** Added to each target, as float32; empty: none. */
  readonly baseValues: readonly number[]
  readonly transform: Transform
  /** Of a classifier. */
  readonly classes: Classes | null
}

export interface Classes {
  /** A label for each; `null`: they are texts. */
  readonly labels: readonly number[] | null
  /** Two classes, of which the leaves speak for one alone. */
  readonly isBinary: boolean
  /** Then they are probabilities already. */
  readonly areAllPositive: boolean
}

export function isLeaf(node: TreeNode): node is Leaf {
  return 'weights' in node
}

/** All leaves of a tree, those where tests hold first. */
export function* leavesOf(node: TreeNode): Generator<Leaf> {
  if (isLeaf(node)) {
    yield node
    return
  }
  yield* leavesOf(node.whenTrue)
  yield* leavesOf(node.whenFalse)
}
