import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { atOnce, sortInTurns } from '../../src/kernel/slices.ts'
import { runs } from '../support/runs.ts'

interface Card {
  readonly suit: number
  readonly at: number
}

function bySuit(a: Card, b: Card): number {
  return a.suit - b.suit
}

function cards(suits: readonly number[]): Card[] {
  return suits.map((suit, at) => ({ suit, at }))
}

test('a sort in turns gives what a sort in one go gives, equal ones in their order', () => {
  const sizes = fc.constantFrom(0, 1, 2, 4_095, 4_096, 4_097, 12_289, 20_000)
  const suits = sizes.chain((size) =>
    fc.array(fc.integer({ min: 0, max: 50 }), { minLength: size, maxLength: size }),
  )
  fc.assert(
    fc.property(suits, (of) => {
      const items = cards(of)
      expect(atOnce(sortInTurns(items, bySuit))).toEqual(items.toSorted(bySuit))
    }),
    { numRuns: runs(40) },
  )
})

test('between two turns it compares no more than a run takes', () => {
  let compared = 0
  let most = 0
  const items = cards(Array.from({ length: 50_000 }, (_, at) => (at * 7_919) % 50_000))
  const sorting = sortInTurns(items, (a, b) => {
    compared++
    return bySuit(a, b)
  })
  for (let step = sorting.next(); step.done !== true; step = sorting.next()) {
    most = Math.max(most, compared)
    compared = 0
  }
  expect(most).toBeLessThan(4_096 * 14)
})
