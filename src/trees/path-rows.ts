import { seeded } from '../kernel/random.ts'
import { type Branch, isLeaf, type TreeNode } from './ensemble.ts'
import { neighbours, shuffle } from './hard-rows.ts'
import { isTrue } from './plain-trees.ts'

// Rows that reach a branch: what is behind rare values is not met by rows whose features are chosen
// each for itself.

/** Tests of a path on one feature that are looked at for values that pass all of them. */
const MOST_TESTS = 16

/** A branch, and the way there. */
interface Reached {
  readonly branch: Branch
  /** The branch before it; `null`: it is a root. */
  readonly from: Reached | null
  /** On which side of that one it is. */
  readonly isTrueSide: boolean
}

/**
 * Row-major float32[rows, width]: for branches of the trees, rows that reach them, at and beside the
 * value that they compare with, and without a value. Where there are more than `most` branches, only
 * that many are chosen. The same for the same seed.
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

/** The branches of a tree, each with one of the shortest ways to it. */
function reachedIn(root: TreeNode): Reached[] {
  if (isLeaf(root)) return []
  const found: Reached[] = [{ branch: root, from: null, isTrueSide: true }]
  const seen = new Set<TreeNode>([root])
  for (const from of found) {
    for (const isTrueSide of [true, false]) {
      const branch = isTrueSide ? from.branch.whenTrue : from.branch.whenFalse
      if (isLeaf(branch) || seen.has(branch)) continue
      seen.add(branch)
      found.push({ branch, from, isTrueSide })
    }
  }
  return found
}

/** The tests on the way to a branch, the last one first, with their outcome. */
function* testsBefore(reached: Reached): Generator<readonly [Branch, boolean]> {
  for (let at = reached; at.from !== null; at = at.from) yield [at.from.branch, at.isTrueSide]
}

/** A row that reaches a branch; `null`: none was found. */
function rowFor(reached: Reached, width: number, random: () => number): number[] | null {
  const tests = new Map<number, (readonly [Branch, boolean])[]>()
  for (const test of testsBefore(reached)) {
    const [{ feature }] = test
    tests.set(feature, [...(tests.get(feature) ?? []), test])
  }
  const row = Array.from({ length: width }, () => Math.round(random() * 10))
  for (const [feature, own] of tests) {
    const values = passing(own, [Number.NaN])
    if (values.length === 0) return null
    row[feature] = values[Math.floor(random() * values.length)] as number
  }
  return row
}

/** The values of its own feature that are tried at a branch, as far as they reach it. */
function valuesAt(reached: Reached): number[] {
  const { feature, values } = reached.branch
  const own = [...testsBefore(reached)].filter(([of]) => of.feature === feature)
  const tried = values.flatMap((value) => [value, ...neighbours(value)])
  return [...tried, Number.NaN].filter((value) => passes(own, value))
}

/** Values that pass all tests of one feature. */
function passing(
  tests: readonly (readonly [Branch, boolean])[],
  others: readonly number[],
): number[] {
  const near = tests
    .slice(0, MOST_TESTS)
    .flatMap(([{ values }]) => values.flatMap((value) => [value, ...neighbours(value)]))
  return [...near, ...others].filter((value) => passes(tests, value))
}

function passes(tests: readonly (readonly [Branch, boolean])[], value: number): boolean {
  return tests.every(([branch, isTrueSide]) => isTrue(branch, value) === isTrueSide)
}
