import { type Branch, type Ensemble, isLeaf, type Leaf, type TreeNode } from './ensemble.ts'
import { bitsOf, ofBits } from './float-bits.ts'
import { NotRead } from './not-read.ts'
import { startOf } from './plain-trees.ts'

// An ensemble as the tables that assembly/sums.ts reads, which says what their numbers are.

/** Where the lanes begin, and bytes of a number in all 16 of them. */
const LANES = 64
const LANE_BYTES = 64
/** More leaves than that are quicker walked to. */
const MOST_WORDS = 8
const WORD_BITS = 32
const TREE_BYTES = 24
const TEST_BYTES = 12
const IS_LEAF = 0x80000000
const IS_EQUAL = 1
const MISSING_IS_TRUE = 2
const AGGREGATES = { sum: 0, average: 0, min: 1, max: 2 } as const

/** What the memory holds from its start on, and where rows and sums have their room behind it. */
export interface Tables {
  readonly bytes: Uint8Array
  readonly rowsAt: number
  readonly givenAt: number
  readonly end: number
}

/** A test as all others can be put: `x ≤ value`, or `x = value`. */
interface Question {
  readonly feature: number
  readonly value: number
  readonly isEqual: boolean
  readonly missingIsTrue: boolean
  readonly whenTrue: Answer
  readonly whenFalse: Answer
}

type Answer = Question | Leaf

/**
 * For so many rows at a time. @throws NotRead for trees that are no sums over leaves of one kind
 */
export function tablesOf(
  ensemble: Ensemble,
  { features, rows }: { readonly features: number; readonly rows: number },
): Tables {
  const { aggregate, targets, trees } = ensemble
  const laid = trees.map((tree) => laidOut(asked(tree), aggregate))
  const base = LANES + (features + targets + MOST_WORDS) * LANE_BYTES
  const tables = new Writer(base).write(laid, features)
  const loneWords = base + tables.numbers.length * 4
  const rowsAt = loneWords + tables.loneWordBytes
  const givenAt = rowsAt + rows * features * 4
  const { tests, words, sorted, sortedEnds, loneWordBytes } = tables
  const places = [features, targets, base, trees.length, tests, words, rowsAt, givenAt]
  const lone = [sorted, sortedEnds, loneWords, loneWordBytes]
  const head = [...places, bitsOf(startOf(ensemble)), AGGREGATES[aggregate], ...lone]
  const bytes = new Uint8Array(rowsAt)
  bytes.set(bytesOf(head))
  bytes.set(bytesOf(tables.numbers), base)
  return { bytes, rowsAt, givenAt, end: givenAt + rows * targets * 4 }
}

function bytesOf(numbers: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(numbers).buffer)
}

/** A tree and its leaves, in order. */
interface Laid {
  readonly root: Answer
  readonly leaves: readonly Leaf[]
  readonly targets: readonly number[]
  /** Bits for its leaves: 0 where it is to be walked. */
  readonly words: number
}

function laidOut(root: Answer, aggregate: Ensemble['aggregate']): Laid {
  const leaves = [...new Set(leavesIn(root))]
  const targets = [...new Set(leaves.flatMap(({ weights }) => weights.map((w) => w.target)))]
  for (const { weights } of leaves) {
    const own = new Set(weights.map(({ target }) => target))
    if (own.size < weights.length) throw new NotRead('a leaf that gives a target two weights')
    const isWhole = own.size === targets.length || aggregate === 'sum' || aggregate === 'average'
    if (!isWhole) throw new NotRead(`the ${aggregate} over leaves that do not speak of all targets`)
  }
  const words = Math.ceil(leaves.length / WORD_BITS)
  return { root, leaves, targets, words: words > MOST_WORDS || !isVector(root) ? 0 : words }
}

function* leavesIn(node: Answer): Generator<Leaf> {
  if ('weights' in node) yield node
  else {
    yield* leavesIn(node.whenTrue)
    yield* leavesIn(node.whenFalse)
  }
}

/** Has each leaf one way to it, and are its tests among those that a vector can do? */
function isVector(root: Answer): boolean {
  const seen = new Set<Answer>()
  const isOne = (node: Answer): boolean => {
    if (seen.has(node)) return false
    seen.add(node)
    if ('weights' in node) return true
    if (node.isEqual && node.missingIsTrue) return false
    return isOne(node.whenTrue) && isOne(node.whenFalse)
  }
  return isOne(root)
}

function asked(node: TreeNode): Answer {
  if (isLeaf(node)) return node
  const [whenTrue, whenFalse] = [asked(node.whenTrue), asked(node.whenFalse)]
  const { feature, missingIsTrue } = node
  const value = node.values[0] as number
  if (Number.isNaN(value)) throw new NotRead('a test against NaN')
  const straight = { feature, isEqual: false, missingIsTrue, whenTrue, whenFalse }
  // The other way round: what is missing goes where it went.
  const turned = {
    ...straight,
    missingIsTrue: !missingIsTrue,
    whenTrue: whenFalse,
    whenFalse: whenTrue,
  }
  switch (node.test) {
    case 'leq':
      return { ...straight, value }
    case 'lt':
      return { ...straight, value: nextBelow(value) }
    case 'gte':
      return { ...turned, value: nextBelow(value) }
    case 'gt':
      return { ...turned, value }
    case 'eq':
      return { ...straight, isEqual: true, value }
    case 'neq':
      return { ...turned, isEqual: true, missingIsTrue: false, value }
    case 'member':
      return membership(node, { whenTrue, whenFalse })
  }
}

/** One question after the other; the first that is true leads to the same place. */
function membership(
  { feature, missingIsTrue, values }: Branch,
  { whenTrue, whenFalse }: Pick<Question, 'whenTrue' | 'whenFalse'>,
): Answer {
  return values.reduceRight<Answer>((next, value) => {
    return { feature, isEqual: true, missingIsTrue, value, whenTrue, whenFalse: next }
  }, whenFalse)
}

/** The largest float32 below one. @throws NotRead below −∞ there is none */
function nextBelow(value: number): number {
  if (value === Number.NEGATIVE_INFINITY) throw new NotRead('a test for less than −∞')
  if (value === 0) return -(2 ** -149)
  return ofBits(bitsOf(value) + (value > 0 ? -1 : 1))
}

/** Leaves from ≤ bit < upTo are out of reach where a test fails. */
interface Dropping {
  readonly question: Question
  readonly from: number
  readonly upTo: number
}

/** What a test drops of a word. */
interface Dropped {
  readonly question: Question
  /** Among the words of all trees. */
  readonly word: number
  readonly mask: number
}

/** Writes the tables of all trees one after the other. `base`: where in the memory. */
class Writer {
  readonly #base: number
  readonly #trees: number[] = []
  readonly #words: number[] = []
  readonly #tests: number[] = []
  /** Branches of trees that are walked, targets and weights of leaves. */
  readonly #rest: number[] = []
  readonly #dropped: Dropped[] = []
  #wordCount = 0

  constructor(base: number) {
    this.#base = base
  }

  write(laid: readonly Laid[], features: number) {
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

  /** The tests of all words by feature, kind and value; then where those of each end. */
  #sorted(features: number, places: { readonly sorted: number; readonly loneWords: number }) {
    const tests: number[] = []
    const ends: number[] = []
    for (let f = 0; f < features; f++) {
      const own = this.#dropped.filter(({ question }) => question.feature === f)
      for (const isOfKind of KINDS) {
        const some = own.filter(({ question }) => isOfKind(question))
        some.sort((a, b) => ascending(a.question.value, b.question.value))
        for (const { question, word, mask } of some) {
          tests.push(places.loneWords + word * 4, bitsOf(question.value), mask)
        }
        ends.push(places.sorted + tests.length * 4)
      }
    }
    return [tests, ends]
  }

  #writeTests({ root, words }: Laid, tests: number): void {
    const dropping: Dropping[] = []
    countLeaves(root, 0, dropping)
    for (let w = 0; w < words; w++) {
      const own = dropping.filter(
        ({ from, upTo }) => from < (w + 1) * WORD_BITS && upTo > w * WORD_BITS,
      )
      for (const isOfKind of KINDS) {
        for (const { question, from, upTo } of own.filter((d) => isOfKind(d.question))) {
          const mask = maskOf(from - w * WORD_BITS, upTo - w * WORD_BITS)
          this.#tests.push(lanesOf(question), bitsOf(question.value), mask)
          this.#dropped.push({ question, word: this.#wordCount, mask })
        }
        this.#words.push(tests + this.#tests.length * 4)
      }
      this.#wordCount++
    }
  }

  #writeTree({ root, leaves, targets, words }: Laid, rest: number): void {
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

  /** Gives the place of the root. */
  #writeBranches(root: Answer, leaves: readonly Leaf[], rest: number): number {
    const leafAt = new Map(leaves.map((leaf, i) => [leaf, i]))
    const places = new Map<Question, number>()
    const write = (node: Answer): number => {
      if ('weights' in node) return (IS_LEAF | (leafAt.get(node) as number)) >>> 0
      const known = places.get(node)
      if (known !== undefined) return known
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
  // Of two infinities the difference is none.
  return a === b ? 0 : a - b
}

/** In the order in which a word's tests lie. */
const KINDS: readonly ((question: Question) => boolean)[] = [
  ({ isEqual, missingIsTrue }) => !isEqual && !missingIsTrue,
  ({ isEqual, missingIsTrue }) => !isEqual && missingIsTrue,
  ({ isEqual }) => isEqual,
]

/** Notes what each test drops; gives the number of the first leaf behind the node. */
function countLeaves(node: Answer, first: number, into: Dropping[]): number {
  if ('weights' in node) return first + 1
  const upTo = countLeaves(node.whenTrue, first, into)
  into.push({ question: node, from: first, upTo })
  return countLeaves(node.whenFalse, upTo, into)
}

/** The bits from ≤ bit < upTo of a word. */
function maskOf(from: number, upTo: number): number {
  let mask = 0
  for (let bit = Math.max(0, from); bit < Math.min(WORD_BITS, upTo); bit++) mask |= 1 << bit
  return mask >>> 0
}

function lanesOf({ feature }: Question): number {
  return LANES + feature * LANE_BYTES
}
