import { test } from 'vitest'
import { expectExact } from '../engine/sized-windows.ts'

test.each([
  ['in order', true],
  ['out of order', false],
])('windows of 100,000 events, %s', (_, inOrder) => {
  expectExact(100_000, 1, inOrder)
})
