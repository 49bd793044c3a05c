import { expect, test } from 'vitest'
import { rowsOver } from '../engine/sized-windows.ts'

test.each([
  ['in order', true],
  ['out of order', false],
])('windows of 100,000 events, %s', (_, inOrder) => {
  const { got, expected } = rowsOver(100_000, 1, inOrder)
  expect(got).toEqual(expected)
})
