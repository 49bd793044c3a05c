import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aucOf, lateShare, type Verdict } from '../../../src/cli/demo/verdicts.ts'

/** Few distinct chances, so that ties are common. */
const verdicts = fc.array(
  fc.record({ said: fc.integer({ min: 0, max: 8 }).map((n) => n / 8), wasLate: fc.boolean() }),
  { maxLength: 60 },
)

describe('the area under the ROC curve', () => {
  test('is the share of pairs in the right order, a tie counting half', () => {
    fc.assert(
      fc.property(verdicts, (all) => {
        expect(aucOf(all) ?? -1).toBeCloseTo(aucByPairs(all) ?? -1, 12)
      }),
    )
  })

  test('is not known when all were late', () => {
    expect(aucOf([{ said: 0.9, wasLate: true }])).toBeNull()
  })

  test('leaves the verdicts in their order', () => {
    const all = [
      { said: 0.9, wasLate: true },
      { said: 0.1, wasLate: false },
    ]
    expect(aucOf(all)).toBe(1)
    expect(all.map(({ said }) => said)).toEqual([0.9, 0.1])
  })
})

test('the late share is that of the chances from the first bound on and below the second', () => {
  const all = [
    { said: 0.2, wasLate: true },
    { said: 0.5, wasLate: false },
    { said: 0.7, wasLate: true },
    { said: 0.9, wasLate: true },
  ]
  expect(lateShare(all, [0.2, 0.7])).toBe(0.5)
  expect(lateShare(all, [0.7, 1.01])).toBe(1)
  expect(lateShare(all, [0, 0.2])).toBeNull()
})

function aucByPairs(all: readonly Verdict[]): number | null {
  const late = all.filter(({ wasLate }) => wasLate)
  const onTime = all.filter(({ wasLate }) => !wasLate)
  if (late.length === 0 || onTime.length === 0) return null
  let right = 0
  for (const { said } of late) {
    for (const other of onTime) right += said > other.said ? 1 : said === other.said ? 0.5 : 0
  }
  return right / (late.length * onTime.length)
}
