import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readVarint, varintBytes, writeVarint } from '../../src/connect/record-format.ts'
import { runs } from '../support/runs.ts'

/** Where one more byte begins to be taken. */
const EDGES = [0, 64, 8_192, 2 ** 20, 2 ** 27, 2 ** 31 - 1].flatMap((n) => [
  n - 1,
  n,
  0 - n,
  -n - 1,
])
const int32 = fc.oneof(fc.integer(), fc.constantFrom(...EDGES))

test('any number of 32 bits is read as it was written, wherever that is', () => {
  fc.assert(
    fc.property(int32, fc.nat(9), fc.nat(255), (value, at, filling) => {
      const bytes = Buffer.alloc(20, filling)
      const end = writeVarint(bytes, at, value)
      expect(end - at).toBe(varintBytes(value))
      expect(readVarint(bytes, at)).toBe(value)
      const around = [...bytes.subarray(0, at), ...bytes.subarray(end)]
      expect(around.every((byte) => byte === filling)).toBe(true)
    }),
    { numRuns: runs(500) },
  )
})

test.each([
  [0, 1],
  [-1, 1],
  [63, 1],
  [-64, 1],
  [64, 2],
  [8_191, 2],
  [8_192, 3],
  [2 ** 20 - 1, 3],
  [2 ** 20, 4],
  [2 ** 27, 5],
  [-(2 ** 31), 5],
])('%d takes %d bytes', (value, bytes) => {
  expect(varintBytes(value)).toBe(bytes)
})
