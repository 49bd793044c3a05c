import { seeded } from '../kernel/seeded.ts'
import { isLeaf, type TreeNode } from './ensemble.ts'
import { bitsOf, ofBits } from './float-bits.ts'

// Rows at which two ways to evaluate trees differ, if they do: each value that a test compares
// with, the float32 below and the one above it, and what floating point has that is odd.

const ODD = [
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
 * Row-major float32[rows, width]: so many that each value is there, and not fewer than asked for.
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
      // All of them once, then again in another order.
      const turn = row % own.length
      if (turn === 0) shuffle(own, random)
      rows[row * width + feature] = own[turn] as number
    }
  }
  return rows
}

/** The values of each feature. */
function valuesOf(trees: readonly TreeNode[], width: number): number[][] {
  const sets = Array.from({ length: width }, () => new Set(ODD))
  const walk = (node: TreeNode) => {
    if (isLeaf(node)) return
    for (const value of node.values) {
      for (const near of [value, ...neighbours(value)]) sets[node.feature]?.add(near)
    }
    walk(node.whenTrue)
    walk(node.whenFalse)
  }
  for (const tree of trees) walk(tree)
  // A set takes the two zeros for one.
  return sets.map((set) => [...set, -0])
}

/** Of a number that is not 0: the float32s on both sides. */
function neighbours(value: number): number[] {
  return [-1, 1].map((step) => ofBits(bitsOf(value) + step))
}

/** In an order by chance. (Fisher and Yates) */
function shuffle(values: number[], random: () => number): void {
  for (let i = values.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1))
    ;[values[i], values[other]] = [values[other] as number, values[i] as number]
  }
}
