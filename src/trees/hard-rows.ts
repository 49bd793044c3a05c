import { seeded } from '../kernel/random.ts'
import { isLeaf, nodesOf, type TreeNode } from './ensemble.ts'
import { bitsOf, ofBits } from './float-bits.ts'

// Rows that show whether two ways to evaluate trees differ: each value that a test compares with,
// the float32s below and above it, and the special values of floating point.

const SPECIAL = [
  0,
  -0,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  2 ** -149,
  -(2 ** -149),
  1,
  -1,
]

/**
 * Row-major float32[rows, width]: `atLeast` rows, or as many as are needed to contain each value.
 * The same for the same seed.
 */
export function hardRows(
  trees: readonly TreeNode[],
  {
    width,
    atLeast,
    seed = 1,
  }: { readonly width: number; readonly atLeast: number; readonly seed?: number },
): Float32Array {
  const values = valuesOf(trees, width)
  const count = Math.max(atLeast, ...values.map((of) => of.length))
  const rows = new Float32Array(count * width)
  const random = seeded(seed)
  for (const [feature, own] of values.entries()) {
    for (let row = 0; row < count; row++) {
      // All values once, then again in another order.
      const turn = row % own.length
      if (turn === 0) shuffle(own, random)
      rows[row * width + feature] = own[turn] as number
    }
  }
  return rows
}

/** The values to test for each feature. */
function valuesOf(trees: readonly TreeNode[], width: number): number[][] {
  const sets = Array.from({ length: width }, () => new Set(SPECIAL))
  for (const node of trees.flatMap((tree) => [...nodesOf(tree)])) {
    if (isLeaf(node)) continue
    for (const value of node.values) {
      for (const near of [value, ...neighbours(value)]) sets[node.feature]?.add(near)
    }
  }
  // A Set treats the two zeros as equal.
  return sets.map((set) => [...set, -0])
}

/** The float32s next to a number that is not 0. */
export function neighbours(value: number): number[] {
  return [-1, 1].map((step) => ofBits(bitsOf(value) + step))
}

/** Shuffles in place. (Fisher and Yates) */
export function shuffle(values: unknown[], random: () => number): void {
  for (let i = values.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1))
    ;[values[i], values[other]] = [values[other], values[i]]
  }
}
