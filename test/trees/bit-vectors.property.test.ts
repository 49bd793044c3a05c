import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type Branch,
  type Ensemble,
  type TreeAggregate,
  type TreeNode,
} from '../../src/trees/ensemble.ts'
import { TreeSums } from '../../src/trees/evaluator.ts'
import { hardRows } from '../../src/trees/probe-rows.ts'
import { plainSums } from './plain-trees.ts'

const FEATURES = 5

const float32 = fc.float({ noNaN: true, noDefaultInfinity: true })
const branch = fc.record({
  feature: fc.nat(FEATURES - 1),
  value: float32,
  isEqual: fc.boolean(),
  missingIsTrue: fc.boolean(),
})

/** Grown by splitting one leaf after the other, now here, now there. */
function treeOf(
  branches: readonly Omit<Branch, 'whenTrue' | 'whenFalse'>[],
  choices: readonly number[],
  leafOf: (i: number) => TreeNode,
): TreeNode {
  let leaves = 0
  const grow = (from: number, upTo: number): TreeNode => {
    const own = branches[from]
    if (from >= upTo || own === undefined) return leafOf(leaves++)
    const middle = from + 1 + ((choices[from] as number) % (upTo - from))
    return { ...own, whenTrue: grow(from + 1, middle), whenFalse: grow(middle, upTo) }
  }
  return grow(0, branches.length)
}

/** Trees whose leaves speak of some targets, and of them all alike. */
function treeWith(targets: number) {
  return fc
    .record({
      branches: fc.array(branch, { maxLength: 300, size: 'max' }),
      choices: fc.array(fc.nat(), { minLength: 300, maxLength: 300, size: 'max' }),
      weights: fc.array(float32, { minLength: 8, maxLength: 32 }),
      spoken: fc.subarray(
        Array.from({ length: targets }, (_, t) => t),
        { minLength: 1 },
      ),
    })
    .map(({ branches, choices, weights, spoken }) =>
      treeOf(branches, choices, (i) => ({
        weights: spoken.map((target) => {
          return {
            target,
            weight: weights[(i * spoken.length + target) % weights.length] as number,
          }
        }),
      })),
    )
}

const ensemble: fc.Arbitrary<Ensemble> = fc
  .record({
    targets: fc.integer({ min: 1, max: 3 }),
    aggregate: fc.constantFrom<TreeAggregate>('sum', 'average', 'min', 'max'),
  })
  .chain(({ targets, aggregate }) =>
    fc.array(treeWith(targets), { minLength: 1, maxLength: 6 }).map((trees) => {
      return { trees, aggregate, targets, baseValues: [], transform: 'none', classes: null }
    }),
  )

test('bit vectors give the sums that walking from root to leaf gives, to the bit', () => {
  fc.assert(
    fc.property(ensemble, fc.integer({ min: 1, max: 40 }), fc.nat(1_000), (of, count, from) => {
      const all = hardRows(of.trees, { width: FEATURES, atLeast: from + count })
      const rows = all.subarray(from * FEATURES, (from + count) * FEATURES)
      const plain = plainSums(of, rows, count)
      const sums = new TreeSums(of, FEATURES).compute(rows, count).subarray(0, count * of.targets)
      expect(bitsOf(sums)).toEqual(bitsOf(plain))
    }),
    { numRuns: 300 },
  )
})

function bitsOf(numbers: Float32Array): number[] {
  return [...new Int32Array(numbers.slice().buffer)]
}
