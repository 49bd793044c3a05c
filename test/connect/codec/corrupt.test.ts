import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crc32c } from '../../../src/connect/kafka/codec/batch-header.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { runs } from '../../support/runs.ts'
import { naiveBatch } from './naive-batch.ts'
import { recordsOf } from './support.ts'

const FOLDER = join(import.meta.dirname, 'fixtures')
const LOGS = readdirSync(FOLDER).filter((file) => file.endsWith('.log'))

/**
 * Reads all there is of it. The code of the error, or `read`; throws what is no error with a code
 * and a place.
 */
function readBroken(set: Buffer): string {
  try {
    recordsOf(set, { maxUnpackedBytes: 1_000_000 })
    return 'read'
  } catch (error) {
    const isPlaced = error instanceof TidemarkError && /^t-0@-?\d+$/.test(error.where ?? '')
    if (isPlaced) return error.code
    throw error
  }
}

const OUTCOMES = ['read', 'BATCH_CORRUPT', 'BATCH_TOO_LARGE', 'NOT_SUPPORTED']

/** Writes the checksum again, as a producer with a fault would. */
function mendCrc(set: Buffer): void {
  for (let at = 0; at + 61 <= set.length; ) {
    const to = at + 12 + set.readInt32BE(at + 8)
    if (to < at + 61 || to > set.length) return
    set.writeUInt32BE(crc32c(set, at + 21, to), at + 17)
    at = to
  }
}

const damage = fc.record({
  flips: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 7 })), {
    minLength: 1,
    maxLength: 4,
  }),
  /** The headers and the beginnings of what is packed, where the numbers stand. */
  early: fc.boolean(),
  cut: fc.option(fc.nat(), { freq: 3 }),
})

function damaged(
  log: Buffer,
  { flips, early, cut }: { flips: [number, number][]; early: boolean; cut: number | null },
) {
  const set = Buffer.from(cut === null ? log : log.subarray(0, cut % log.length))
  const reach = early ? Math.min(set.length, 120) : set.length
  if (reach > 0) {
    for (const [at, bit] of flips)
      set.writeUInt8(set.readUInt8(at % reach) ^ (1 << bit), at % reach)
  }
  return set
}

describe('damage', () => {
  test.each(LOGS)('of %s by some bits is never read as records of the damaged batch', (file) => {
    const log = readFileSync(join(FOLDER, file))
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const set = Buffer.from(log)
        // After the checksum's start; what lies before is not covered by it.
        const place = 17 + (at % (12 + log.readInt32BE(8) - 17))
        set.writeUInt8(set.readUInt8(place) ^ (1 << bit), place)
        expect(readBroken(set)).toBe('BATCH_CORRUPT')
      }),
      { numRuns: runs(50) },
    )
  })

  test.each(LOGS)('of %s ends in an error or in fewer records, never in a crash', (file) => {
    const log = readFileSync(join(FOLDER, file))
    fc.assert(
      fc.property(damage, (what) => {
        expect(OUTCOMES).toContain(readBroken(damaged(log, what)))
      }),
      { numRuns: runs(100) },
    )
  })

  test.each(LOGS)('of %s under a right checksum as well', (file) => {
    const log = readFileSync(join(FOLDER, file))
    fc.assert(
      fc.property(damage, (what) => {
        const set = damaged(log, what)
        mendCrc(set)
        expect(OUTCOMES).toContain(readBroken(set))
      }),
      { numRuns: runs(300) },
    )
  })
})

/** The ends of a range, what lies next to them, and anything between. */
function wholes(bits: bigint): fc.Arbitrary<bigint> {
  const [min, max] = [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n]
  return fc.oneof(
    fc.constantFrom(min, min + 1n, -2n, -1n, 0n, 1n, max - 1n, max),
    fc.bigInt({ min, max }),
  )
}
const int32 = wholes(32n).map(Number)

test('whatever the numbers of a batch say, it is read or refused with a code and a place', () => {
  const batches = fc.record({
    baseOffset: fc.oneof(fc.constant(0n), wholes(64n)),
    lastOffsetDelta: fc.oneof(fc.constant(2), int32),
    baseTimestamp: wholes(64n),
    maxTimestamp: wholes(64n),
    producerId: fc.oneof(fc.constant(-1n), wholes(64n)),
    epoch: wholes(16n).map(Number),
    baseSequence: int32,
    count: fc.oneof(fc.constant(1), int32),
    attributes: fc.oneof(fc.constantFrom(0, 0x08, 0x10, 0x20), wholes(16n).map(Number)),
    records: fc.array(
      fc.record({ offsetDelta: fc.oneof(fc.nat({ max: 3 }), int32), timestampDelta: wholes(64n) }),
      { maxLength: 3 },
    ),
  })
  fc.assert(
    fc.property(batches, (batch) => {
      expect(OUTCOMES).toContain(readBroken(naiveBatch(batch)))
    }),
    { numRuns: runs(2_000) },
  )
})
