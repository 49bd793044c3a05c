import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { atOf, Slabs } from '../../../src/engine/store/slabs.ts'

/** Moves that take room of a few sizes, one larger than a slab may be, or give some back. */
const moves = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ size: fc.constantFrom(0, 1, 8, 1_000, 1_024, 1_025) }) },
    { weight: 2, arbitrary: fc.record({ giveBack: fc.nat() }) },
  ),
  { minLength: 1, maxLength: 200, size: 'max' },
)

function numbersIn(slabs: Slabs, place: number, size: number): Float64Array {
  const at = atOf(place)
  expect(at + size).toBeLessThanOrEqual(slabs.pageOf(place).length)
  return slabs.pageOf(place).subarray(at, at + size)
}

describe('slabs', () => {
  test('that are held at the same time never share a number', () => {
    fc.assert(
      fc.property(moves, (all) => {
        const slabs = new Slabs()
        const held: { place: number; size: number; mark: number }[] = []
        for (const [mark, move] of all.entries()) {
          if ('size' in move) {
            const place = slabs.allocate(move.size)
            numbersIn(slabs, place, move.size).fill(mark)
            held.push({ place, size: move.size, mark })
          } else if (held.length > 0) {
            const [{ place, size }] = held.splice(move.giveBack % held.length, 1) as [
              (typeof held)[0],
            ]
            numbersIn(slabs, place, size).fill(-1)
            slabs.giveBack(place, size)
          }
        }
        for (const { place, size, mark } of held) {
          expect([...numbersIn(slabs, place, size)]).toEqual(new Array(size).fill(mark))
        }
      }),
    )
  })

  test('of a size that was given back are taken again before there is more room', () => {
    const slabs = new Slabs()
    const places = new Set<number>()
    for (let round = 0; round < 1_000; round++) {
      const two = [slabs.allocate(64), slabs.allocate(64)]
      for (const slab of two) {
        places.add(slab)
        slabs.giveBack(slab, 64)
      }
    }
    expect(places.size).toBe(2)
  })

  test('count the bytes that are taken', () => {
    const slabs = new Slabs()
    const small = slabs.allocate(8)
    const large = slabs.allocate(100_000)
    expect(slabs.bytes).toBe(800_064)
    slabs.giveBack(large, 100_000)
    expect(slabs.bytes).toBe(64)
    slabs.giveBack(small, 8)
    expect(slabs.bytes).toBe(0)
  })
})
