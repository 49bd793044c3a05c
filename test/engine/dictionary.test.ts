import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Dictionary } from '../../src/engine/dictionary.ts'

test('a text keeps its number while an event holds it, and gives it back with the last', () => {
  const dictionary = new Dictionary()
  const food = dictionary.hold('food')
  expect(dictionary.hold('food')).toBe(food)
  const fuel = dictionary.hold('fuel')
  expect(fuel).not.toBe(food)
  dictionary.release(food)
  expect(dictionary.hold('food')).toBe(food)
  dictionary.release(food)
  dictionary.release(food)
  expect(dictionary.hold('travel')).toBe(food)
  expect(dictionary.hold('fuel')).toBe(fuel)
})

test('a number gives back what holds it; equal texts, numbers and conditions are different cells', () => {
  const dictionary = new Dictionary()
  const cells = ['1', 1, 'true', true, false, '', 0]
  const ids = cells.map((cell) => dictionary.hold(cell))
  expect(new Set(ids).size).toBe(cells.length)
  expect(ids.map((id) => dictionary.cellOf(id))).toEqual(cells)
})

test('held texts have numbers of their own, as few as were ever held at once', () => {
  // A text is held, or one of the events that hold something is pruned.
  const moves = fc.array(
    fc.oneof(
      fc.record({ hold: fc.constantFrom('', 'a', 'b', 'c', '__proto__', 'ü') }),
      fc.record({ release: fc.nat(1_000) }),
    ),
    { maxLength: 200 },
  )
  fc.assert(
    fc.property(moves, (all) => {
      const dictionary = new Dictionary()
      const held: { text: string; id: number }[] = []
      let most = 0
      for (const move of all) {
        if ('hold' in move) {
          held.push({ text: move.hold, id: dictionary.hold(move.hold) })
        } else if (held.length > 0) {
          const [gone] = held.splice(move.release % held.length, 1)
          dictionary.release(gone?.id as number)
        }
        const texts = new Set(held.map((h) => h.text))
        const ids = new Set(held.map((h) => h.id))
        const pairs = new Set(held.map((h) => `${h.id} ${h.text}`))
        expect([ids.size, pairs.size]).toEqual([texts.size, texts.size])
        most = Math.max(most, texts.size)
        expect(Math.max(-1, ...ids)).toBeLessThan(most)
      }
    }),
    { numRuns: 200 },
  )
})
