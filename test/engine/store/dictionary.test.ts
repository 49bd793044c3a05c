import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Dictionary } from '../../../src/engine/store/dictionary.ts'
import { Memory } from '../../../src/kernel/bytes.ts'
import { cpuMsOf } from '../../support/cpu.ts'
import { HASH } from '../../support/hash.ts'
import { keysOfOneHash } from '../../support/keys-of-one-hash.ts'
import { runs } from '../../support/runs.ts'

test('a text keeps its number while somebody holds it, and it is used again when nobody does', () => {
  const dictionary = new Dictionary(HASH)
  const food = dictionary.hold(dictionary.numberOf('food'))
  expect(dictionary.hold(dictionary.numberOf('food'))).toBe(food)
  const fuel = dictionary.hold(dictionary.numberOf('fuel'))
  expect(fuel).not.toBe(food)
  dictionary.release(food)
  dictionary.expire()
  expect(dictionary.numberOf('food')).toBe(food)
  dictionary.release(food)
  dictionary.expire()
  expect(dictionary.numberOf('travel')).toBe(food)
  expect(dictionary.numberOf('fuel')).toBe(fuel)
})

test('a number that nobody holds stands for its text until all has been settled', () => {
  const dictionary = new Dictionary(HASH)
  const [food, fuel] = [dictionary.numberOf('food'), dictionary.numberOf('fuel')]
  dictionary.hold(fuel)
  dictionary.release(fuel)
  expect(dictionary.numberOf('travel')).toBe(2)
  expect([food, fuel].map((number) => dictionary.cellOf(number))).toEqual(['food', 'fuel'])
  expect(dictionary.numberOf('food')).toBe(food)
  dictionary.expire()
  expect(dictionary.size).toBe(0)
  expect([0, 1, 2]).toContain(dictionary.numberOf('rent'))
})

test('a number gives back what it stands for; equal texts, numbers and conditions are different cells', () => {
  const dictionary = new Dictionary(HASH)
  const halves = ['\ud800', 'a\udc00', '\ufffd']
  const cells = [
    '1',
    1,
    'true',
    true,
    false,
    '',
    0,
    'é',
    '日本',
    '😀',
    'x'.repeat(9_000),
    ...halves,
  ]
  const numbers = cells.map((cell) => dictionary.hold(dictionary.numberOf(cell)))
  expect(new Set(numbers).size).toBe(cells.length)
  expect(numbers.map((number) => dictionary.cellOf(number))).toEqual(cells)
  dictionary.expire()
  expect(cells.map((cell) => dictionary.numberOf(cell))).toEqual(numbers)
})

test('what is let go once too often is told', () => {
  const dictionary = new Dictionary(HASH)
  const food = dictionary.numberOf('food')
  expect(() => dictionary.release(food)).toThrow('number 0 has no holder')
  dictionary.expire()
  expect(() => dictionary.release(food)).toThrow('number 0 has no holder')
})

/** A text that lies somewhere in others' bytes. */
function numberInBytes(dictionary: Dictionary, text: string): number {
  const bytes = Buffer.from(`"${text}"`)
  const memory = new Memory(Uint8Array.from(bytes).buffer)
  return dictionary.numberOfBytes(memory, 1, bytes.length - 1)
}

const TEXTS = ['', 'a', 'b', '__proto__', 'ü', '日本語', '😀', 'y'.repeat(5_000)]

test('held cells have numbers of their own, as few as were ever known at once, by their bytes or not', () => {
  // Something is held, what was held is let go, or a batch ends.
  const text = fc.oneof(fc.constantFrom(...TEXTS), fc.nat(300).map(String))
  const moves = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ hold: text, inBytes: fc.boolean() }) },
      { weight: 2, arbitrary: fc.record({ look: text }) },
      { weight: 5, arbitrary: fc.record({ release: fc.nat(1_000) }) },
      { weight: 1, arbitrary: fc.constant({ settle: true }) },
    ),
    { maxLength: 1_000, size: 'max' },
  )
  fc.assert(
    fc.property(moves, (all) => {
      const dictionary = new Dictionary(HASH)
      const held: { text: string; number: number }[] = []
      const known = new Set<string>()
      let most = 0
      for (const move of all) {
        if ('hold' in move) {
          const number = move.inBytes
            ? numberInBytes(dictionary, move.hold)
            : dictionary.numberOf(move.hold)
          held.push({ text: move.hold, number: dictionary.hold(number) })
          known.add(move.hold)
        } else if ('look' in move) {
          dictionary.numberOf(move.look)
          known.add(move.look)
        } else if ('release' in move) {
          const [gone] = held.splice(move.release % Math.max(held.length, 1), 1)
          if (gone !== undefined) dictionary.release(gone.number)
        } else {
          dictionary.expire()
          known.clear()
          for (const h of held) known.add(h.text)
        }
        most = Math.max(most, known.size)
      }
      expect(dictionary.size).toBe(known.size)
      for (const h of held) expect(dictionary.cellOf(h.number)).toBe(h.text)
      for (const h of held) expect(numberInBytes(dictionary, h.text)).toBe(h.number)
      expect(Math.max(-1, ...held.map((h) => h.number))).toBeLessThan(most)
    }),
    { numRuns: runs(200) },
  )
})

test('what nobody holds is forgotten a few at a time', () => {
  const dictionary = new Dictionary(HASH)
  const numbers = Array.from({ length: 100 }, (_, i) => dictionary.numberOf(`text ${i}`))
  dictionary.hold(numbers[40] as number)
  dictionary.expire(30)
  expect(dictionary.size).toBe(70)
  for (let i = 0; i < 3; i++) dictionary.expire(30)
  expect(dictionary.size).toBe(1)
  expect(dictionary.numberOf('text 40')).toBe(numbers[40])
})

test('texts that are gone take no room', () => {
  const dictionary = new Dictionary(HASH)
  const fill = (round: number) => {
    const numbers = Array.from({ length: 1_000 }, (_, i) =>
      dictionary.hold(dictionary.numberOf(`text ${round * 1_000 + i}`)),
    )
    for (const number of numbers) dictionary.release(number)
    dictionary.expire()
    return dictionary.bytes
  }
  const after = fill(1)
  for (let round = 2; round < 20; round++) expect(fill(round)).toBe(after)
})

test('texts that a stranger chose to have one hash have many', () => {
  const dictionary = new Dictionary(HASH)
  const numbers = keysOfOneHash(1_000).map((key) => dictionary.numberOf(key))
  expect(new Set(numbers.map((number) => dictionary.hashOf(number))).size).toBe(1_000)
})

test('numbers that a stranger chose take no longer than others', () => {
  // V8's hash of an integer, which has no secret.
  const bucketOf = (n: number) => {
    let hash = ~n + (n << 15)
    hash ^= hash >>> 12
    hash += hash << 2
    hash ^= hash >>> 4
    hash = Math.imul(hash, 2_057)
    return (hash ^ (hash >>> 16)) & 0xfff
  }
  const chosen: number[] = []
  for (let n = 0; chosen.length < 8_000; n++) if (bucketOf(n) === 0) chosen.push(n)
  const leastMs = (numbers: readonly number[]) => {
    const times = [1, 2, 3].map(() => {
      const dictionary = new Dictionary(HASH)
      return cpuMsOf(() => {
        for (const number of numbers) dictionary.numberOf(number)
      })
    })
    return Math.min(...times)
  }
  const others = chosen.map((_, i) => i * 7_919)
  leastMs(others.slice(0, 2_000))
  expect(leastMs(chosen)).toBeLessThan(20 * leastMs(others))
})
