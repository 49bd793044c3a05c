/** Why ONNX Runtime must run a model: it, or a part of it, is not supported here. */
export class NotRead extends Error {
  override readonly name = 'NotRead'
}

// Decision trees as read from a model file, whatever the exporter, and how they are walked.

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

/**
 * The nodes of a tree, each once though several paths may lead to it; the true branch comes first.
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

export function leavesOf(root: TreeNode): Leaf[] {
  return [...nodesOf(root)].filter(isLeaf)
}

export interface Sums {
  /**
   * The aggregated weights for each target, row-major float32[count, targets], until the next call.
   *
   * @param rows row-major float32[count, features]
   * @param count at most {@link ROWS}
   */
  of(rows: Float32Array, count: number): Float32Array
}

/** The most rows of a call. */
export const ROWS = 1_024

/**
 * Walks trees from the root to a leaf: the reference for bit vectors, and the fallback without
 * WebAssembly.
 */
export class PlainTrees implements Sums {
  readonly #ensemble: Ensemble
  readonly #given: Float32Array

  constructor(ensemble: Ensemble) {
    this.#ensemble = ensemble
    this.#given = new Float32Array(ROWS * ensemble.targets)
  }

  of(rows: Float32Array, count: number): Float32Array {
    const { targets } = this.#ensemble
    const width = rows.length / count
    for (let row = 0; row < count; row++) {
      const own = rows.subarray(row * width, (row + 1) * width)
      this.#sum(own, this.#given.subarray(row * targets, (row + 1) * targets))
    }
    return this.#given
  }

  #sum(row: Float32Array, sums: Float32Array): void {
    const { aggregate, trees } = this.#ensemble
    sums.fill(initialSum(this.#ensemble))
    for (const tree of trees) {
      for (const { target, weight } of leafOf(tree, row).weights) {
        sums[target] = aggregated(aggregate, sums[target] as number, weight)
      }
    }
  }
}

function aggregated(aggregate: Ensemble['aggregate'], before: number, weight: number): number {
  if (aggregate === 'min') return weight < before ? weight : before
  if (aggregate === 'max') return weight > before ? weight : before
  return before + weight
}

export function initialSum({ aggregate }: Pick<Ensemble, 'aggregate'>): number {
  if (aggregate === 'min') return Number.POSITIVE_INFINITY
  return aggregate === 'max' ? Number.NEGATIVE_INFINITY : 0
}

function leafOf(root: TreeNode, row: Float32Array): Leaf {
  let node = root
  while (!isLeaf(node)) {
    node = isTrue(node, row[node.feature] as number) ? node.whenTrue : node.whenFalse
  }
  return node
}

/** Does a branch go to its true side for a value of its feature? */
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
