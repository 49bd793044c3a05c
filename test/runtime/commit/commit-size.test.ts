import { describe, expect, test } from 'vitest'
import { CommitSize } from '../../../src/runtime/commit/commit-size.ts'

const MIB = 2 ** 20
const KIB = 2 ** 10

/** Makes full commits over a link of so many bytes a second, each of which may take 10 s. */
function over(link: number, size: CommitSize, commits: number) {
  let [writtenMs, lostMs] = [0, 0]
  for (let i = 0; i < commits; i++) {
    const { bytes } = size
    const ms = (bytes / link) * 1_000
    if (ms > 10_000) {
      lostMs += 10_000
      size.timedOut(bytes)
    } else {
      writtenMs += ms
      size.committed(bytes, ms)
    }
  }
  return { writtenMs, lostMs }
}

test('grows to the most in a few commits where they are quick', () => {
  const size = new CommitSize(16 * MIB)
  over(100 * MIB, size, 6)
  expect(size.bytes).toBe(16 * MIB)
})

test('never passes the most', () => {
  const size = new CommitSize(100 * KIB)
  over(100 * MIB, size, 20)
  expect(size.bytes).toBe(100 * KIB)
})

test.each([10, 50, 100, 1_000])('over %i KB a second, little time is lost', (kbps) => {
  const size = new CommitSize(16 * MIB)
  const { writtenMs, lostMs } = over(kbps * 1_000, size, 100)
  expect(lostMs / writtenMs).toBeLessThan(0.15)
  // No more than gets through in the 10 s that a transaction may be open.
  expect(size.bytes).toBeLessThanOrEqual(kbps * 1_000 * 10)
})

describe('a commit that took too long', () => {
  test('halves it', () => {
    const size = new CommitSize(16 * MIB)
    size.timedOut(256 * KIB)
    expect(size.bytes).toBe(128 * KIB)
  })

  test('down to a single record, for the slowest link of all', () => {
    const size = new CommitSize(16 * MIB)
    for (let i = 0; i < 40; i++) size.timedOut(size.bytes)
    expect(size.bytes).toBe(1)
  })

  test('and quick ones grow it again, by a step', () => {
    const size = new CommitSize(16 * MIB)
    size.timedOut(256 * KIB)
    size.committed(128 * KIB, 100)
    expect(size.bytes).toBe(160 * KIB)
  })
})

test('a commit that took much too long cuts it to what its pace allows', () => {
  const size = new CommitSize(16 * MIB)
  size.committed(256 * KIB, 40_000)
  expect(size.bytes).toBe(Math.floor(25.6 * KIB))
})

test('what gets through is told while full commits take a second or longer', () => {
  const size = new CommitSize(16 * MIB)
  expect(size.pace).toBeNull()
  size.committed(256 * KIB, 2_000)
  expect(size.pace).toBe(128 * KIB)
  // Neither slow nor quick.
  size.committed(1, 700)
  expect(size.pace).toBe(128 * KIB)
  size.committed(1, 400)
  expect(size.pace).toBeNull()
  size.committed(1, 2_000)
  expect(size.pace).toBeNull()
})

test('a commit that was not full says nothing, however long it took', () => {
  const size = new CommitSize(16 * MIB)
  size.committed(1 * KIB, 9_000)
  size.committed(1 * KIB, 1)
  expect(size.bytes).toBe(256 * KIB)
})
