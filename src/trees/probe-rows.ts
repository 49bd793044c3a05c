import { groupedBy } from '../kernel/grouped.ts'
import { seeded } from '../kernel/random.ts'
import { type Branch, isLeaf, isTrue, nodesOf, type TreeNode } from './ensemble.ts'
import { bitsOf, fromBits } from './float32.ts'

// Rows that show whether two evaluators of trees differ: each value that a test compares with, the
// float32s below and above it, and the special values of floating point.

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

/** `atLeast` rows, or as many as contain each value, row-major. Always the same. */
export function hardRows(
  trees: readonly TreeNode[],
  { width, atLeast }: { readonly width: number; readonly atLeast: number },
): Float32Array {
  const values = valuesOf(trees, width)
  const count = Math.max(atLeast, ...values.map((featureValues) => featureValues.length))
  const rows = new Float32Array(count * width)
  const random = seeded(1)
  for (const [feature, featureValues] of values.entries()) {
    for (let row = 0; row < count; row++) {
      // All values once, then again in another order.
      const turn = row % featureValues.length
      if (turn === 0) shuffle(featureValues, random)
      rows[row * width + feature] = featureValues[turn] as number
    }
  }
  return rows
}

function valuesOf(trees: readonly TreeNode[], width: number): number[][] {
  const sets = Array.from({ length: width }, () => new Set(SPECIAL))
  for (const node of trees.flatMap((tree) => [...nodesOf(tree)])) {
    if (isLeaf(node)) continue
    for (const near of around(node.value)) sets[node.feature]?.add(near)
  }
  // A Set treats the two zeros as equal.
  return sets.map((set) => [...set, -0])
}

/** The value, and the float32s below and above it. */
function around(value: number): number[] {
  return [value, ...[-1, 1].map((step) => fromBits(bitsOf(value) + step))]
}

function shuffle(values: unknown[], random: () => number): void {
  for (let i = values.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1))
    ;[values[i], values[other]] = [values[other], values[i]]
  }
}

// Rows that reach a branch. Independent features rarely lead behind rare values.

/** How many tests of a path on one feature are searched for values that lead through them all. */
const MOST_TESTS = 16

interface Reached {
  readonly branch: Branch
  /** The branch before; `null`: this is a root. */
  readonly from: Reached | null
  readonly isTrueSide: boolean
}

/**
 * Rows at and beside the values of up to `most` branches, row-major. The same for the same seed.
 */
export function pathRows(
  trees: readonly TreeNode[],
  {
    width,
    most,
    seed = 1,
  }: { readonly width: number; readonly most: number; readonly seed?: number },
): Float32Array {
  const random = seeded(seed)
  const all = trees.flatMap(reachedIn)
  if (all.length > most) shuffle(all, random)
  const rows: number[] = []
  for (const reached of all.slice(0, most)) {
    const row = rowFor(reached, width, random)
    if (row === null) continue
    const { feature } = reached.branch
    for (const value of valuesAt(reached)) {
      row[feature] = value
      rows.push(...row)
    }
  }
  return Float32Array.from(rows)
}

/** Breadth first, so that each branch has one of the shortest ways. */
function reachedIn(root: TreeNode): Reached[] {
  if (isLeaf(root)) return []
  const reached: Reached[] = [{ branch: root, from: null, isTrueSide: true }]
  const seen = new Set<TreeNode>([root])
  for (const from of reached) {
    for (const isTrueSide of [true, false]) {
      const branch = isTrueSide ? from.branch.whenTrue : from.branch.whenFalse
      if (isLeaf(branch) || seen.has(branch)) continue
      seen.add(branch)
      reached.push({ branch, from, isTrueSide })
    }
  }
  return reached
}

/** The last one first, with their outcome. */
function* testsBefore(reached: Reached): Generator<readonly [Branch, boolean]> {
  for (let at = reached; at.from !== null; at = at.from) yield [at.from.branch, at.isTrueSide]
}

function rowFor(reached: Reached, width: number, random: () => number): number[] | null {
  const tests = groupedBy(testsBefore(reached), ([{ feature }]) => feature)
  const row = Array.from({ length: width }, () => Math.round(random() * 10))
  for (const [feature, featureTests] of tests) {
    const near = featureTests.slice(0, MOST_TESTS).flatMap(([{ value }]) => around(value))
    const values = [...near, Number.NaN].filter((value) => leadsThrough(featureTests, value))
    if (values.length === 0) return null
    row[feature] = values[Math.floor(random() * values.length)] as number
  }
  return row
}

function valuesAt(reached: Reached): number[] {
  const { feature, value: compared } = reached.branch
  const featureTests = [...testsBefore(reached)].filter(([branch]) => branch.feature === feature)
  return [...around(compared), Number.NaN].filter((value) => leadsThrough(featureTests, value))
}

function leadsThrough(tests: readonly (readonly [Branch, boolean])[], value: number): boolean {
  return tests.every(([branch, isTrueSide]) => isTrue(branch, value) === isTrueSide)
}
