import { expect, test } from 'vitest'
import { memoryShortage } from '../../src/runtime/machine-limits.ts'

const MIB = 2 ** 20
/** What Node 20 takes in each container below 1 GiB. */
const FLOOR = 259 * MIB

test.each([
  [128, 'it has 134 MB, and takes up to 272 MB of heap, 134 MB besides', '--memory 443m'],
  [256, 'it has 268 MB', '--memory 443m, or set NODE_OPTIONS=--max-old-space-size=92'],
  [442, 'it has 463 MB', '--memory 443m, or set NODE_OPTIONS=--max-old-space-size=254'],
])('a worker with %d MiB is warned, with what it needs', (mebibytes, what, advice) => {
  const warning = memoryShortage(mebibytes * MIB, FLOOR)
  expect(warning).toContain(what)
  expect(warning).toMatch(new RegExp(`: give it ${advice}$`))
})

test('the memory and the heap that are advised are enough', () => {
  expect(memoryShortage(443 * MIB, FLOOR)).toBe(null)
  expect(memoryShortage(256 * MIB, 95 * MIB)).toBe(null)
  expect(memoryShortage(16_000 * MIB, 4_300 * MIB)).toBe(null)
})
