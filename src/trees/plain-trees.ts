import { type Branch, type Ensemble, isLeaf, leavesOf, type TreeNode } from './ensemble.ts'

// Trees walked from the root to a leaf: what bit vectors must agree with, and what stands in for them.

/** The sums over all trees of an ensemble, for one row at a time. */
export class PlainTrees {
  readonly #ensemble: Ensemble

  constructor(ensemble: Ensemble) {
    this.#ensemble = ensemble
  }

  /** Writes what the trees give for each target into `sums`. `rows`: row-major float32, in which the row begins at `at`. */
  sum(rows: Float32Array, at: number, sums: Float32Array): void {
    const { aggregate, trees } = this.#ensemble
    sums.fill(startOf(this.#ensemble))
    for (const tree of trees) {
      for (const { target, weight } of leafOf(tree, rows, at).weights) {
        const before = sums[target] as number
        sums[target] = aggregated(aggregate, before, weight)
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

/** Of which targets do leaves speak? `null`: of one, some leaves of each tree that speaks of it and some not. */
export function reached({ trees, targets }: Ensemble): readonly boolean[] | null {
  const isReached = Array.from({ length: targets }, () => false)
  const isDoubtful = Array.from({ length: targets }, () => false)
  for (const tree of trees) {
    const leaves = [...leavesOf(tree)]
    for (let t = 0; t < targets; t++) {
      const speaking = leaves.filter(({ weights }) => weights.some(({ target }) => target === t))
      if (speaking.length === leaves.length) isReached[t] = true
      else if (speaking.length > 0) isDoubtful[t] = true
    }
  }
  return isReached.some((is, t) => !is && isDoubtful[t]) ? null : isReached
}

function leafOf(root: TreeNode, rows: Float32Array, at: number) {
  let node = root
  while (!isLeaf(node)) {
    node = holds(node, rows[at + node.feature] as number) ? node.whenTrue : node.whenFalse
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
