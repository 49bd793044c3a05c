import { type Mutant, mutantOf, type Row } from './mutant.ts'

// Mistakes in how trees are computed, each one edit and the test that catches it.

const SAME_BITS = 'test/trees/same-bits.test.ts'
const GIVES = 'gives the same bits as in ONNX Runtime'
const VECTORS = 'test/trees/bit-vectors.property.test.ts'
const GATE = 'test/scoring/tree-gate.test.ts'
const WALKED = 'bit vectors give the sums that walking from root to leaf gives'

const ROWS: readonly Row[] = [
  [
    '< for <= in a tree',
    ['trees/read-ensemble.ts', 'BRANCH_LEQ: {},', 'BRANCH_LEQ: { isBelow: true },'],
    [SAME_BITS, GIVES],
  ],
  [
    'a missing feature goes to the other side',
    [
      'trees/tables.ts',
      '({ isEqual, missingIsTrue }) => !isEqual && !missingIsTrue,',
      '({ isEqual, missingIsTrue }) => !isEqual && missingIsTrue,',
    ],
    [VECTORS, WALKED],
  ],
  [
    'trees are added from the last to the first',
    [
      'trees/tables.ts',
      'trees.map((tree) => laidOut(unshared(tree), aggregate))',
      'trees.toReversed().map((tree) => laidOut(unshared(tree), aggregate))',
    ],
    [SAME_BITS, GIVES],
  ],
  [
    'exp is that of float64, rounded',
    ['trees/float32.ts', 'return (high * (r * r) + low) * scale', 'return Math.exp(x)'],
    [SAME_BITS, GIVES],
  ],
  [
    'a test leaves the last of its leaves in reach',
    ['trees/tables.ts', 'Math.min(WORD_BITS, upTo)', 'Math.min(WORD_BITS, upTo - 1)'],
    [VECTORS, WALKED],
  ],
  [
    'trees that return other bits are used anyway',
    ['scoring/tree-runner.ts', 'return whyNot ?? trees()', 'return trees()'],
    [GATE, 'a verdict is cached and used instead of another comparison'],
  ],
  [
    'the verdict on one model is used for another',
    ['scoring/tree-runner.ts', '        model,\n', "        model: '',\n"],
    [GATE, 'a verdict holds for one model'],
  ],
]

export const TREES: readonly Mutant[] = ROWS.map(mutantOf)
