import {
  type Branch,
  type Ensemble,
  isLeaf,
  type Leaf,
  leavesOf,
  type TreeNode,
} from './ensemble.ts'

// Trees walked from the root to a leaf: what bit vectors must agree with, and what stands in for
// them.

/** What trees give for rows. */
export interface Sums {
  /**
   * For each target, row-major float32[count, targets]. Holds until the next call.
   * `rows`: row-major float32[count, features]; `count`: at most {@link ROWS}.
   */
  of(rows: Float32Array, count: number): Float32Array
}

/** Rows that are summed at a time. */
export const ROWS = 1_024

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

/** What stands where no tree has given anything yet. */
export function startOf({ aggregate }: Pick<Ensemble, 'aggregate'>): number {
  if (aggregate === 'min') return Number.POSITIVE_INFINITY
  return aggregate === 'max' ? Number.NEGATIVE_INFINITY : 0
}

/** How many leaves speak of a target: in some tree all, nowhere any, or it depends on the row. */
export type Reached = 'always' | 'sometimes' | 'never'

export function reached({ trees, targets }: Ensemble): readonly Reached[] {
  const leaves = trees.map((tree) => [...leavesOf(tree)])
  return Array.from({ length: targets }, (_, target) => {
    const speaks = ({ weights }: Leaf) => weights.some((weight) => weight.target === target)
    if (leaves.some((of) => of.every(speaks))) return 'always'
    return leaves.some((of) => of.some(speaks)) ? 'sometimes' : 'never'
  })
}

function leafOf(root: TreeNode, row: Float32Array): Leaf {
  let node = root
  while (!isLeaf(node)) {
    node = holds(node, row[node.feature] as number) ? node.whenTrue : node.whenFalse
  }
  return node
}

function holds({ test, values, missingIsTrue }: Branch, x: number): boolean {
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
