import {
  type Ensemble,
  initialSum,
  isLeaf,
  isTrue,
  type Leaf,
  type TreeNode,
} from '../../src/trees/ensemble.ts'

/** The sums of trees that are walked from the root to a leaf, row by row. */
export function plainSums(ensemble: Ensemble, rows: Float32Array, count: number): Float32Array {
  const { aggregate, targets, trees } = ensemble
  const width = rows.length / count
  const sums = new Float32Array(count * targets).fill(initialSum(ensemble))
  for (let row = 0; row < count; row++) {
    const own = rows.subarray(row * width, (row + 1) * width)
    for (const tree of trees) {
      for (const { target, weight } of leafOf(tree, own).weights) {
        const at = row * targets + target
        sums[at] = aggregated(aggregate, sums[at] as number, weight)
      }
    }
  }
  return sums
}

function aggregated(aggregate: Ensemble['aggregate'], before: number, weight: number): number {
  if (aggregate === 'min') return weight < before ? weight : before
  if (aggregate === 'max') return weight > before ? weight : before
  return before + weight
}

function leafOf(root: TreeNode, row: Float32Array): Leaf {
  let node = root
  while (!isLeaf(node)) {
    node = isTrue(node, row[node.feature] as number) ? node.whenTrue : node.whenFalse
  }
  return node
}
