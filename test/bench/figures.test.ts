import { expect, it } from 'vitest'
import { figure, machine, percentiles } from './figures.ts'

it('a percentile is by nearest rank, whatever the order of the values', () => {
  const shuffled = Array.from({ length: 1_000 }, (_, i) => ((i * 7) % 1_000) + 1)
  expect(percentiles(shuffled)).toEqual({ p50: 500, p90: 900, p99: 990, p999: 999, max: 1_000 })
})

it('all percentiles of one value are that value, and no values have none', () => {
  expect(percentiles([2.34])).toEqual({ p50: 2.3, p90: 2.3, p99: 2.3, p999: 2.3, max: 2.3 })
  expect(percentiles([]).p50).toBe('not measured')
})

it('an unknown value is "not measured"', () => {
  expect(figure(1.25, 1)).toBe(1.3)
  expect(figure(null, 1)).toBe('not measured')
  expect(figure(0 / 0, 1)).toBe('not measured')
})

it('the machine is described as text', () => {
  expect(machine()).toMatch(/^\d+ cores, .+, \d+ GiB, Node \d+\.\d+\.\d+$/)
})
