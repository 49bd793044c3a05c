// AssemblyScript, compiled to ../sums-wasm.ts by `npm run build:wasm`.
//
// The sums of an ensemble's trees for rows, in float32, tree after tree in the order of the file.
// (Lucchese et al. 2015, "QuickScorer"; 2016, "Exploiting CPU SIMD Extensions to Speed-up Document
// Scoring with Tree Ensembles")
//
// The leaves of a tree are bits of one or more words, the true branch first. Each test has a mask
// of the leaves that are out of reach where it fails: after all tests the lowest bit left is the
// leaf. No branch depends on a row, so none is guessed wrongly, and a vector holds four rows. Trees
// with too many leaves are walked from the root.
//
// A row alone would take as long as four. Instead it goes through the tests of each feature in the
// order of the compared values, up to the first that holds: the second half of them never fails.
// (The original QuickScorer.)
//
// ../tables.ts lays out the tables. All their numbers are 32 bits wide, and all places are bytes
// from the start of the memory.

// At the start of the memory.
const FEATURES = 0
const TARGETS = 4
const TREES = 8
const TREE_COUNT = 12
const TESTS = 16
const WORDS = 20
/** Rows, row-major float32[count, features], and their sums, float32[count, targets]. */
const ROWS = 24
const GIVEN = 28
/** The initial value of a sum. */
const START = 32
/** 0 adds, 1 keeps the least, 2 the largest. */
const AGGREGATE = 36
/**
 * For a row alone: the tests of all trees by feature, kind and compared value, where those
 * of each end, and its words.
 */
const SORTED = 40
const SORTED_ENDS = 44
const LONE_WORDS = 48
const LONE_WORD_BYTES = 52
/** Then, 16 lanes each: the features, the targets, and the words of the current tree. */
const LANES = 64

// A tree.
const TREE_WORDS = 0
const PLACE = 4
const LEAVES = 8
const LEAF_BYTES = 12
const TREE_TARGETS = 16
const TREE_TARGET_COUNT = 20
const TREE_BYTES = 24

// A word of a tree: where the tests of each kind end, one after the other through all words and
// trees.
const FALSE_IF_MISSING = 0
const TRUE_IF_MISSING = 4
const EQUAL = 8
const WORD_BYTES = 12

// A test of a word: where the feature's lanes are, the value it is compared with, and the leaves
// that are out of reach where it fails.
const VALUE = 4
const DROPPED = 8
const TEST_BYTES = 12

// A sorted test: the word, and the other two.
const WORD = 0

// A branch of a walked tree: the same two, how it is compared, and where it goes on; a leaf has the
// sign bit.
const KIND = 8
const WHEN_TRUE = 12
const WHEN_FALSE = 16
const IS_EQUAL: u32 = 1
const MISSING_IS_TRUE: u32 = 2
const IS_LEAF: u32 = 0x80000000

/** Sums over `count` rows. */
export function sums(count: i32): void {
  let row = 0
  for (; count - row > 4; row += 16) block<u32>(row, min(16, count - row))
  if (count - row > 2) block<u8>(row, count - row)
  else for (; row < count; row++) lone(row)
}

/** One row. */
function lone(row: i32): void {
  const features = load<i32>(FEATURES)
  const targets = load<i32>(TARGETS)
  const sumsAt: usize = LANES + features * 64
  const rows = load<u32>(ROWS) + row * features * 4
  const words: usize = load<u32>(LONE_WORDS)
  memory.fill(words, 0xff, load<u32>(LONE_WORD_BYTES))
  let test: usize = load<u32>(SORTED)
  let ends: usize = load<u32>(SORTED_ENDS)
  for (let f = 0; f < features; f++) {
    const x = load<f32>(rows + f * 4)
    // Walked trees look here.
    store<f32>(LANES + f * 64, x)
    const missing: usize = load<u32>(ends, FALSE_IF_MISSING)
    for (; test < missing && !(x <= load<f32>(test, VALUE)); test += TEST_BYTES) dropLone(test)
    test = missing
    const present: usize = load<u32>(ends, TRUE_IF_MISSING)
    for (; test < present && x > load<f32>(test, VALUE); test += TEST_BYTES) dropLone(test)
    test = present
    const equal: usize = load<u32>(ends, EQUAL)
    for (; test < equal; test += TEST_BYTES) if (x != load<f32>(test, VALUE)) dropLone(test)
    ends += WORD_BYTES
  }
  const start = load<f32>(START)
  for (let s = 0; s < targets * 64; s += 64) store<f32>(sumsAt + s, start)
  const aggregate = load<i32>(AGGREGATE)
  const trees: usize = load<u32>(TREES)
  const end: usize = trees + load<u32>(TREE_COUNT) * TREE_BYTES
  let word = words
  for (let tree = trees; tree < end; tree += TREE_BYTES) {
    const wordCount = load<u32>(tree, TREE_WORDS)
    const leaf = wordCount == 0 ? walked(load<u32>(tree, PLACE), 0) : lowest(word, 4)
    word += wordCount * 4
    let weights: usize = load<u32>(tree, LEAVES) + leaf * 4
    const apart: usize = load<u32>(tree, LEAF_BYTES)
    let target: usize = load<u32>(tree, TREE_TARGETS)
    for (
      const last: usize = target + load<u32>(tree, TREE_TARGET_COUNT) * 4;
      target < last;
      target += 4
    ) {
      const sum = sumsAt + load<u32>(target)
      const weight = load<f32>(weights)
      const before = load<f32>(sum)
      if (aggregate == 0) store<f32>(sum, before + weight)
      else if (aggregate == 1) store<f32>(sum, weight < before ? weight : before)
      else store<f32>(sum, before < weight ? weight : before)
      weights += apart
    }
  }
  const place = load<u32>(GIVEN) + row * targets * 4
  for (let t = 0; t < targets; t++) store<f32>(place + t * 4, load<f32>(sumsAt + t * 64))
}

/** Takes the leaves that a test puts out of reach out of a row's word. */
function dropLone(test: usize): void {
  const word: usize = load<u32>(test, WORD)
  store<u32>(word, load<u32>(word) & ~load<u32>(test, DROPPED))
}

/** Rows side by side: as many vectors of four as T has bytes. */
function block<T>(row: i32, count: i32): void {
  const features = load<i32>(FEATURES)
  const targets = load<i32>(TARGETS)
  const sumsAt: usize = LANES + features * 64
  const wordsAt: usize = sumsAt + targets * 64
  const rows = load<u32>(ROWS) + row * features * 4
  for (let lane = 0; lane < count; lane++) {
    for (let f = 0; f < features; f++) {
      store<f32>(LANES + f * 64 + lane * 4, load<f32>(rows + (lane * features + f) * 4))
    }
  }
  const start = load<f32>(START)
  for (let s = 0; s < targets * 64; s += 4) store<f32>(sumsAt + s, start)
  const aggregate = load<i32>(AGGREGATE)
  let word: usize = load<u32>(WORDS)
  let test: usize = load<u32>(TESTS)
  const trees: usize = load<u32>(TREES)
  const end: usize = trees + load<u32>(TREE_COUNT) * TREE_BYTES
  for (let tree = trees; tree < end; tree += TREE_BYTES) {
    const wordCount = load<u32>(tree, TREE_WORDS)
    for (let w: u32 = 0; w < wordCount; w++) {
      const left = wordsAt + w * 64
      for (let lane: usize = 0; lane < sizeof<T>() * 16; lane += 16)
        v128.store(left + lane, i32x4.splat(-1))
      test = drop<T, u8>(left, test, load<u32>(word, FALSE_IF_MISSING))
      test = drop<T, u16>(left, test, load<u32>(word, TRUE_IF_MISSING))
      test = drop<T, u32>(left, test, load<u32>(word, EQUAL))
      word += WORD_BYTES
    }
    for (let lane: usize = 0; lane < sizeof<T>() * 16; lane += 4) {
      const leaf =
        wordCount == 0 ? walked(load<u32>(tree, PLACE), lane) : lowest(wordsAt + lane, 64)
      store<u32>(wordsAt + lane, leaf * 4)
    }
    let weights: usize = load<u32>(tree, LEAVES)
    const apart: usize = load<u32>(tree, LEAF_BYTES)
    let target: usize = load<u32>(tree, TREE_TARGETS)
    for (
      const last: usize = target + load<u32>(tree, TREE_TARGET_COUNT) * 4;
      target < last;
      target += 4
    ) {
      const sum = sumsAt + load<u32>(target)
      for (let lane: usize = 0; lane < sizeof<T>() * 16; lane += 16)
        give(sum + lane, weights, wordsAt + lane, aggregate)
      weights += apart
    }
  }
  const place = load<u32>(GIVEN) + row * targets * 4
  for (let lane = 0; lane < count; lane++) {
    for (let t = 0; t < targets; t++) {
      store<f32>(place + (lane * targets + t) * 4, load<f32>(sumsAt + t * 64 + lane * 4))
    }
  }
}

/**
 * Takes the leaves that tests of one kind put out of reach out of a word. Returns where the next
 * kind begins.
 */
function drop<T, Kind>(left: usize, test: usize, last: usize): usize {
  if (test == last) return test
  let a = v128.load(left)
  let b = v128.load(left, 16)
  let c = v128.load(left, 32)
  let d = v128.load(left, 48)
  for (; test < last; test += TEST_BYTES) {
    const x: usize = load<u32>(test)
    const value = v128.load32_splat(test, VALUE)
    const dropped = v128.load32_splat(test, DROPPED)
    a = v128.andnot(a, outOfReach<Kind>(v128.load(x), value, dropped))
    if (sizeof<T>() == 1) continue
    b = v128.andnot(b, outOfReach<Kind>(v128.load(x, 16), value, dropped))
    c = v128.andnot(c, outOfReach<Kind>(v128.load(x, 32), value, dropped))
    d = v128.andnot(d, outOfReach<Kind>(v128.load(x, 48), value, dropped))
  }
  v128.store(left, a)
  if (sizeof<T>() == 1) return test
  v128.store(left, b, 16)
  v128.store(left, c, 32)
  v128.store(left, d, 48)
  return test
}

/**
 * The leaves that a failed test drops. By the bytes of Kind: 1 fails on a missing value, 2 does
 * not, 4 asks for equality.
 */
function outOfReach<Kind>(x: v128, value: v128, dropped: v128): v128 {
  if (sizeof<Kind>() == 1) return v128.andnot(dropped, f32x4.le(x, value))
  if (sizeof<Kind>() == 2) return v128.and(dropped, f32x4.gt(x, value))
  return v128.and(dropped, f32x4.ne(x, value))
}

/** The lowest bit left in words that lie this far apart. */
function lowest(words: usize, apart: usize): u32 {
  let left = load<u32>(words)
  let leaf: u32 = 0
  while (left == 0) {
    words += apart
    leaf += 32
    left = load<u32>(words)
  }
  return leaf + ctz(left)
}

function walked(root: u32, lane: usize): u32 {
  let node = root
  while ((node & IS_LEAF) == 0) {
    const x = load<f32>(lane + load<u32>(node))
    const value = load<f32>(node, VALUE)
    const kind = load<u32>(node, KIND)
    const holds = (kind & IS_EQUAL) != 0 ? x == value : x <= value
    const isTrue = holds || (x != x && (kind & MISSING_IS_TRUE) != 0)
    node = isTrue ? load<u32>(node, WHEN_TRUE) : load<u32>(node, WHEN_FALSE)
  }
  return node & ~IS_LEAF
}

/** Adds the weights of four lanes' leaves to a target. */
function give(sum: usize, weights: usize, leaves: usize, aggregate: i32): void {
  let added = v128.load32_zero(weights + load<u32>(leaves))
  added = v128.load32_lane(weights + load<u32>(leaves, 4), added, 1)
  added = v128.load32_lane(weights + load<u32>(leaves, 8), added, 2)
  added = v128.load32_lane(weights + load<u32>(leaves, 12), added, 3)
  const before = v128.load(sum)
  if (aggregate == 0) v128.store(sum, f32x4.add(before, added))
  else if (aggregate == 1) v128.store(sum, f32x4.pmin(before, added))
  else v128.store(sum, f32x4.pmax(before, added))
}
