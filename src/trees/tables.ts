import {
  type Branch,
  type Ensemble,
  initialSum,
  isLeaf,
  type Leaf,
  leavesOf,
  NotRead,
  nodesOf,
  type TreeNode,
} from './ensemble.ts'
import { bitsOf } from './float32.ts'

// Lays out an ensemble in the tables that assembly/sums.ts reads and describes.

/** Start of the lanes, and the bytes of a number in all 16 of them. */
const LANES = 64
const LANE_BYTES = 64
/** Trees with more words of leaves are walked, which is faster. */
const MOST_WORDS = 8
const WORD_BITS = 32
const TREE_BYTES = 24
const TEST_BYTES = 12
const IS_LEAF = 0x80000000
const IS_EQUAL = 1
const MISSING_IS_TRUE = 2
const AGGREGATES = { sum: 0, average: 0, min: 1, max: 2 } as const

/**
 * @param rows the most of one call
 * @returns the initial memory, and the places after it for rows and sums; all in bytes
 * @throws NotRead for an ensemble that the tables cannot express
 */
export function tablesOf(
  ensemble: Ensemble,
  { features, rows }: { readonly features: number; readonly rows: number },
) {
  const { aggregate, targets, trees } = ensemble
  const laid = trees.map((tree) => laidOut(unshared(tree), aggregate))
  const base = LANES + (features + targets + MOST_WORDS) * LANE_BYTES
  const tables = new Writer(base).write(laid, features)
  const loneWords = base + tables.numbers.length * 4
  const rowsAt = loneWords + tables.loneWordBytes
  const givenAt = rowsAt + rows * features * 4
  const { tests, words, sorted, sortedEnds, loneWordBytes } = tables
  const places = [features, targets, base, trees.length, tests, words, rowsAt, givenAt]
  const lone = [sorted, sortedEnds, loneWords, loneWordBytes]
  const head = [...places, bitsOf(initialSum(ensemble)), AGGREGATES[aggregate], ...lone]
  const bytes = new Uint8Array(rowsAt)
  bytes.set(bytesOf(head))
  bytes.set(bytesOf(tables.numbers), base)
  return { bytes, rowsAt, givenAt, end: givenAt + rows * targets * 4 }
}

function bytesOf(numbers: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(numbers).buffer)
}

type LaidOutTree = ReturnType<typeof laidOut>

/** The words of a tree that is walked are 0. */
function laidOut(root: TreeNode, aggregate: Ensemble['aggregate']) {
  const leaves = leavesOf(root)
  const targets = [...new Set(leaves.flatMap(({ weights }) => weights.map((w) => w.target)))]
  for (const { weights } of leaves) {
    const { size } = new Set(weights.map(({ target }) => target))
    if (size < weights.length) throw new NotRead('a leaf with two weights for one target')
    const isWhole = size === targets.length || aggregate === 'sum' || aggregate === 'average'
    if (!isWhole) throw new NotRead(`${aggregate} over leaves without a weight for every target`)
  }
  const words = Math.ceil(leaves.length / WORD_BITS)
  return { root, leaves, targets, words: words > MOST_WORDS || !isVector(root) ? 0 : words }
}

/** Whether each node has one path to it, and bit vectors support all tests. */
function isVector(root: TreeNode): boolean {
  const seen = new Set<TreeNode>()
  const isOne = (node: TreeNode): boolean => {
    if (seen.has(node)) return false
    seen.add(node)
    if (isLeaf(node)) return true
    if (node.isEqual && node.missingIsTrue) return false
    return isOne(node.whenTrue) && isOne(node.whenFalse)
  }
  return isOne(root)
}

/** Copies shared nodes, if the leaves are still few enough for bit vectors, which are faster. */
function unshared(root: TreeNode): TreeNode {
  const paths = pathsOf(root, new Map())
  const isShared = nodesOf(root).size < 2 * paths - 1
  return isShared && paths <= MOST_WORDS * WORD_BITS ? copyOf(root) : root
}

function copyOf(node: TreeNode): TreeNode {
  if (isLeaf(node)) return { ...node }
  return { ...node, whenTrue: copyOf(node.whenTrue), whenFalse: copyOf(node.whenFalse) }
}

/** The number of paths from a node to leaves; may be inexact when huge. */
function pathsOf(node: TreeNode, cache: Map<TreeNode, number>): number {
  if (isLeaf(node)) return 1
  const paths = cache.get(node) ?? pathsOf(node.whenTrue, cache) + pathsOf(node.whenFalse, cache)
  cache.set(node, paths)
  return paths
}

/** A test that, when false, rules out the leaves from ≤ bit < upTo. */
interface Dropping {
  readonly split: Branch
  readonly from: number
  readonly upTo: number
}

interface Dropped {
  readonly split: Branch
  readonly word: number
  readonly mask: number
}

class Writer {
  readonly #base: number
  readonly #trees: number[] = []
  readonly #words: number[] = []
  readonly #tests: number[] = []
  /** Branches of walked trees; weights of leaves, and their targets. */
  readonly #rest: number[] = []
  readonly #dropped: Dropped[] = []
  #wordCount = 0

  constructor(base: number) {
    this.#base = base
  }

  write(laid: readonly LaidOutTree[], features: number) {
    const tests = this.#base + laid.length * TREE_BYTES
    for (const tree of laid) if (tree.words > 0) this.#writeTests(tree, tests)
    const words = tests + this.#tests.length * 4
    const rest = words + this.#words.length * 4
    for (const tree of laid) this.#writeTree(tree, rest)
    const sorted = rest + this.#rest.length * 4
    const sortedEnds = sorted + this.#dropped.length * TEST_BYTES
    const loneWords = sortedEnds + features * KINDS.length * 4
    const byFeature = this.#sorted(features, { sorted, loneWords })
    const numbers = [this.#trees, this.#tests, this.#words, this.#rest, ...byFeature].flat()
    return { numbers, tests, words, sorted, sortedEnds, loneWordBytes: this.#wordCount * 4 }
  }

  /** The tests of all words by feature, kind and value; then the end of each feature and kind. */
  #sorted(features: number, places: { readonly sorted: number; readonly loneWords: number }) {
    const tests: number[] = []
    const ends: number[] = []
    for (let f = 0; f < features; f++) {
      const featureTests = this.#dropped.filter(({ split }) => split.feature === f)
      for (const isOfKind of KINDS) {
        const some = featureTests.filter(({ split }) => isOfKind(split))
        some.sort((a, b) => ascending(a.split.value, b.split.value))
        for (const { split, word, mask } of some) {
          tests.push(places.loneWords + word * 4, bitsOf(split.value), mask)
        }
        ends.push(places.sorted + tests.length * 4)
      }
    }
    return [tests, ends]
  }

  #writeTests({ root, words }: LaidOutTree, tests: number): void {
    const dropping: Dropping[] = []
    countLeaves(root, 0, dropping)
    for (let w = 0; w < words; w++) {
      const wordTests = dropping.filter(
        ({ from, upTo }) => from < (w + 1) * WORD_BITS && upTo > w * WORD_BITS,
      )
      for (const isOfKind of KINDS) {
        for (const { split, from, upTo } of wordTests.filter((d) => isOfKind(d.split))) {
          const mask = maskOf(from - w * WORD_BITS, upTo - w * WORD_BITS)
          this.#tests.push(lanesOf(split), bitsOf(split.value), mask)
          this.#dropped.push({ split, word: this.#wordCount, mask })
        }
        this.#words.push(tests + this.#tests.length * 4)
      }
      this.#wordCount++
    }
  }

  #writeTree({ root, leaves, targets, words }: LaidOutTree, rest: number): void {
    const place = words > 0 ? 0 : this.#writeBranches(root, leaves, rest)
    const leavesAt = rest + this.#rest.length * 4
    const stride = leaves.length
    for (const target of targets) {
      for (const { weights } of leaves) {
        this.#rest.push(bitsOf(weights.find((w) => w.target === target)?.weight ?? 0))
      }
    }
    const targetsAt = rest + this.#rest.length * 4
    for (const target of targets) this.#rest.push(target * LANE_BYTES)
    this.#trees.push(words, place, leavesAt, stride * 4, targetsAt, targets.length)
  }

  /** @returns the address of the root */
  #writeBranches(root: TreeNode, leaves: readonly Leaf[], rest: number): number {
    const leafAt = new Map(leaves.map((leaf, i) => [leaf, i]))
    const places = new Map<Branch, number>()
    const write = (node: TreeNode): number => {
      if (isLeaf(node)) return (IS_LEAF | (leafAt.get(node) as number)) >>> 0
      const knownPlace = places.get(node)
      if (knownPlace !== undefined) return knownPlace
      const { value, isEqual, missingIsTrue } = node
      const at = this.#rest.length
      const place = rest + at * 4
      places.set(node, place)
      const kind = (isEqual ? IS_EQUAL : 0) | (missingIsTrue ? MISSING_IS_TRUE : 0)
      this.#rest.push(lanesOf(node), bitsOf(value), kind, 0, 0)
      this.#rest[at + 3] = write(node.whenTrue)
      this.#rest[at + 4] = write(node.whenFalse)
      return place
    }
    return write(root)
  }
}

function ascending(a: number, b: number): number {
  // The difference of two equal infinities is NaN.
  return a === b ? 0 : a - b
}

/** In the order in which a word stores their tests. */
const KINDS: readonly ((split: Branch) => boolean)[] = [
  ({ isEqual, missingIsTrue }) => !isEqual && !missingIsTrue,
  ({ isEqual, missingIsTrue }) => !isEqual && missingIsTrue,
  ({ isEqual }) => isEqual,
]

/** Adds the leaves that tests rule out to `into`. @returns the number of the leaf after the node */
function countLeaves(node: TreeNode, first: number, into: Dropping[]): number {
  if (isLeaf(node)) return first + 1
  const upTo = countLeaves(node.whenTrue, first, into)
  into.push({ split: node, from: first, upTo })
  return countLeaves(node.whenFalse, upTo, into)
}

function maskOf(from: number, upTo: number): number {
  let mask = 0
  for (let bit = Math.max(0, from); bit < Math.min(WORD_BITS, upTo); bit++) mask |= 1 << bit
  return mask >>> 0
}

function lanesOf({ feature }: Branch): number {
  return LANES + feature * LANE_BYTES
}
