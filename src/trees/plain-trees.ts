import {
  type Branch,
  type Ensemble,
  isLeaf,
  type Leaf,
  leavesOf,
  type TreeNode,
} from './ensemble.ts'

// Walks trees from the root to a leaf: the reference that bit vectors must agree with, and the
// fallback when they are not available.

/** Evaluates an ensemble's trees. */
export interface Sums {
  /**
   * The aggregated weights for each target, row-major float32[count, targets]. Valid until the next
   * call. `rows`: row-major float32[count, features]; `count`: at most {@link ROWS}.
   */
  of(rows: Float32Array, count: number): Float32Array
}

/** The largest number of rows of one call. */
export const ROWS = 1_024

/** Evaluates trees by walking them. */
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
    sums.fill(startOf(this.#ensemble))
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

/** The initial value of an aggregate. */
export function startOf({ aggregate }: Pick<Ensemble, 'aggregate'>): number {
  if (aggregate === 'min') return Number.POSITIVE_INFINITY
  return aggregate === 'max' ? Number.NEGATIVE_INFINITY : 0
}

/**
 * Whether a row reaches a weight for a target. `always`: some tree has one in each leaf; `never`:
 * no leaf has one; `sometimes`: it depends on the row.
 */
export type Reached = 'always' | 'sometimes' | 'never'

/** {@link Reached} for each target. */
export function reached({ trees, targets }: Ensemble): readonly Reached[] {
  const leaves = trees.map(leavesOf)
  return Array.from({ length: targets }, (_, target) => {
    const hasWeight = ({ weights }: Leaf) => weights.some((weight) => weight.target === target)
    if (leaves.some((of) => of.every(hasWeight))) return 'always'
    return leaves.some((of) => of.some(hasWeight)) ? 'sometimes' : 'never'
  })
}

function leafOf(root: TreeNode, row: Float32Array): Leaf {
  let node = root
  while (!isLeaf(node)) {
    node = isTrue(node, row[node.feature] as number) ? node.whenTrue : node.whenFalse
  }
  return node
}

/** Whether a branch goes to its true side for a value of its feature. */
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
