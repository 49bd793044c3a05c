import { expect, test } from 'vitest'
import { table } from './table.ts'

test('texts are left-aligned, numbers right-aligned, without trailing spaces', () => {
  const lines = [
    ['stage', 'figure', 'unit'],
    ['w1', '68,133', 'events/s'],
    ['latency', '8.1', 'ms'],
  ]
  expect(table(lines, { right: [1] })).toEqual([
    'stage    figure  unit',
    'w1       68,133  events/s',
    'latency     8.1  ms',
  ])
})
