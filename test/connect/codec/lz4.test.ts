import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LZ4 } from '../../../src/connect/kafka/codec/lz4.ts'
import { runs } from '../../support/runs.ts'

/** A run of bytes, then a match: so many bytes from so far back. */
interface Sequence {
  readonly literals: Buffer
  readonly distance: number
  readonly match: number
}

interface Frame {
  readonly blocks: readonly (readonly Sequence[])[]
  readonly tail: Buffer
  readonly isStored: boolean
  readonly checksums: boolean
  readonly contentSize: boolean
}

const length = fc.oneof(fc.nat(20), fc.nat(20), fc.integer({ min: 250, max: 800 }))
const literals = length.map((n) =>
  Buffer.from(Array.from({ length: n }, (_, i) => (i * 7 + n) % 256)),
)
const sequence: fc.Arbitrary<Sequence> = fc.record({
  literals,
  distance: fc.nat(2_000),
  match: length.map((n) => n + 4),
})
const frame: fc.Arbitrary<Frame> = fc.record({
  blocks: fc.array(fc.array(sequence, { maxLength: 6 }), { maxLength: 4 }),
  tail: literals,
  isStored: fc.boolean(),
  checksums: fc.boolean(),
  contentSize: fc.boolean(),
})

/**
 * Writes a frame by the letter of its format, and what it stands for. Blocks refer back to those
 * before them.
 */
class NaiveFrame {
  readonly bytes: number[] = []
  readonly content: number[] = []

  constructor({ blocks, tail, isStored, checksums, contentSize }: Frame) {
    const flags = 0x40 | (checksums ? 0x14 : 0) | (contentSize ? 0x08 : 0)
    this.bytes.push(0x04, 0x22, 0x4d, 0x18, flags, 0x40, ...(contentSize ? bytes(8) : []), 0)
    for (const sequences of blocks) {
      const block = sequences.flatMap((each) => this.#sequence(each))
      // The last sequence has literals only.
      block.push(...this.#sequence({ literals: tail, distance: 0, match: 0 }))
      this.#block(block, 0)
      if (checksums) this.bytes.push(...bytes(4))
    }
    if (isStored && tail.length > 0) {
      this.content.push(...tail)
      this.#block([...tail], 0x80)
      if (checksums) this.bytes.push(...bytes(4))
    }
    this.bytes.push(...bytes(4), ...(checksums ? bytes(4) : []))
  }

  #sequence({ literals: run, distance, match }: Sequence): number[] {
    this.content.push(...run)
    const back = Math.min(distance, this.content.length)
    const isLast = match === 0 || back === 0
    const copied = isLast ? 0 : match
    for (let i = 0; i < copied; i++) this.content.push(this.content.at(-back) ?? 0)
    const matchBits = Math.max(0, copied - 4)
    return [
      (Math.min(run.length, 15) << 4) | Math.min(matchBits, 15),
      ...more(run.length),
      ...run,
      ...(isLast ? [] : [back & 255, back >> 8, ...more(matchBits)]),
    ]
  }

  #block(block: readonly number[], kind: number): void {
    this.bytes.push(block.length & 255, block.length >> 8, 0, kind, ...block)
  }
}

function more(count: number): number[] {
  if (count < 15) return []
  const full = Math.floor((count - 15) / 255)
  return [...Array.from({ length: full }, () => 255), (count - 15) % 255]
}

function bytes(count: number): number[] {
  return Array.from({ length: count }, () => 0)
}

/** A match needs something before it. */
function isWhole({ blocks }: Frame): boolean {
  return blocks.every((block) =>
    block.every(({ literals: run, distance }) => run.length > 0 && distance > 0),
  )
}

describe('an LZ4 frame', () => {
  test('of any literals and matches unpacks to what they stand for', () => {
    fc.assert(
      fc.property(frame.filter(isWhole), (each) => {
        const { bytes: packed, content } = new NaiveFrame(each)
        expect([...LZ4.unpack(Buffer.from(packed), 100_000)]).toEqual(content)
      }),
      { numRuns: runs(300) },
    )
  })

  test('may follow another one, and one to be passed over', () => {
    const each = {
      blocks: [],
      tail: Buffer.from('part'),
      isStored: true,
      checksums: true,
      contentSize: false,
    }
    const packed = Buffer.from(new NaiveFrame(each).bytes)
    const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
    const all = Buffer.concat([packed, skippable, packed])
    expect(LZ4.unpack(all, 100).toString()).toBe('partpart')
  })

  test('is unpacked up to the limit, and no further', () => {
    fc.assert(
      fc.property(frame.filter(isWhole), (each) => {
        const { bytes: packed, content } = new NaiveFrame(each)
        expect([...LZ4.unpack(Buffer.from(packed), content.length)]).toEqual(content)
        fc.pre(content.length > 0)
        expect(() => LZ4.unpack(Buffer.from(packed), content.length - 1)).toThrow(
          `unpacks to more than ${content.length - 1} bytes`,
        )
      }),
    )
  })

  test.each([
    ['cut off', (packed: Buffer) => packed.subarray(0, -6)],
    ['that needs a dictionary', (packed: Buffer) => packed.fill(0x41, 4, 5)],
    ['of another version', (packed: Buffer) => packed.fill(0x80, 4, 5)],
    ['with blocks of an unknown size', (packed: Buffer) => packed.fill(0x30, 5, 6)],
    ['with a match before its beginning', (packed: Buffer) => packed.fill(0xff, 13, 15)],
    ['with a match of distance 0', (packed: Buffer) => packed.fill(0, 13, 15)],
  ])('%s is refused', (_, spoil) => {
    const blocks = [[{ literals: Buffer.from('a'), distance: 1, match: 10 }]]
    const each = {
      blocks,
      tail: Buffer.from('z'),
      isStored: false,
      checksums: false,
      contentSize: false,
    }
    const packed = Buffer.from(new NaiveFrame(each).bytes)
    expect(LZ4.unpack(packed, 100).toString()).toBe('aaaaaaaaaaaz')
    expect(() => LZ4.unpack(spoil(packed), 100)).toThrow(/LZ4/)
  })

  test('whose block is larger than its frame allows is refused', () => {
    const blocks = [[{ literals: Buffer.from('a'), distance: 1, match: 70_000 }]]
    const each = {
      blocks,
      tail: Buffer.from('z'),
      isStored: false,
      checksums: false,
      contentSize: false,
    }
    const packed = Buffer.from(new NaiveFrame(each).bytes)
    expect(() => LZ4.unpack(packed, 100_000)).toThrow('larger than its frame says')
  })
})
