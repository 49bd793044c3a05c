import { expect, test } from 'vitest'
import { heapFlags } from '../../../src/host/workers/worker-process.ts'

const GIB = 2 ** 30
const machine = { given: [], memory: 8 * GIB, limit: 2 * GIB }

test('workers share half of the memory as their heaps', () => {
  expect(heapFlags(4, machine)).toEqual(['--max-old-space-size=1024'])
})

test('where each has its share of memory anyway, Node decides', () => {
  expect(heapFlags(2, machine)).toEqual([])
})

test('a heap is large enough to start with', () => {
  expect(heapFlags(64, machine)).toEqual(['--max-old-space-size=256'])
})

test.each([
  '--max-old-space-size=300',
  '--max_old_space_size=300',
  '--title=x --max-heap-size=300',
])('who says %s is obeyed', (flag) => {
  expect(heapFlags(64, { ...machine, given: [flag] })).toEqual([])
})
