import { describe, expect, test } from 'vitest'
import { rowsOver } from './sized-windows.ts'

// 10,000 events fill a group of blocks. long/window-sizes.test.ts has more.

describe.each([
  [10, 40],
  [1_000, 12],
  [10_000, 2],
])('windows of %i events', (size, rows) => {
  test.each([
    ['in order', true],
    ['out of order', false],
  ])('%s', (_, inOrder) => {
    const { got, expected } = rowsOver(size, rows, inOrder)
    expect(got).toEqual(expected)
  })
})
