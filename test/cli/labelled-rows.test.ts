import { describe, expect, test } from 'vitest'
import { type RowFormat, readRows } from '../../src/cli/labelled-rows.ts'
import type { TidemarkError } from '../../src/kernel/errors.ts'

const FORMAT: RowFormat = {
  file: 'rows.ndjson',
  features: ['amount', 'count'],
  label: 'fraud',
  labelFault: (label) => (typeof label === 'number' ? null : 'is not a number'),
}

function read(texts: readonly string[], format: RowFormat = FORMAT) {
  const faults: TidemarkError[] = []
  const lines = texts.map((text, i) => ({ number: i + 1, bytes: Buffer.from(text), end: 0 }))
  const { rows, labels, count } = readRows(lines, format, faults)
  return { rows: [...rows.subarray(0, 2 * count)], labels, faults }
}

describe('a row', () => {
  test('has its features by name, in any order, among other fields', () => {
    expect(read(['{"fraud": 1, "count": 2, "city": "Ulm", "amount": 0.5}'])).toEqual({
      ...{ rows: [0.5, 2], labels: [1], faults: [] },
    })
  })

  test('may have its features in an object or a list of their own', () => {
    const lines = [
      '{"features": {"count": 2, "amount": 1}, "fraud": 0}',
      '{"features": [3, 4], "fraud": 1}',
    ]
    expect(read(lines)).toEqual({ rows: [1, 2, 3, 4], labels: [0, 1], faults: [] })
  })

  test('may lack the value of a feature, as null', () => {
    expect(read(['{"amount": null, "count": 1, "fraud": 0}']).rows).toEqual([Number.NaN, 1])
  })

  test('may have its label further inside', () => {
    const label = 'outcome.fraud'
    const lines = ['{"amount": 1, "count": 1, "outcome": {"fraud": 1}}']
    expect(read(lines, { ...FORMAT, label }).labels).toEqual([1])
  })
})

test('invalid lines are told with their numbers, and the others are read', () => {
  const lines = [
    '{"amount": 1, "count": 2, "fraud": 0}',
    '{"amount": 1,',
    '[1, 2]',
    '{"amount": 1, "count": 2}',
    '{"amount": 1, "count": 2, "fraud": "no"}',
    '{"amount": 1, "fraud": 0}',
    '{"amount": "1", "count": 2, "fraud": 0}',
    '{"amount": 1e39, "count": 2, "fraud": 0}',
    '{"features": [1], "fraud": 0}',
    '{"amount": 3, "count": 4, "fraud": 1}',
  ]
  const { rows, labels, faults } = read(lines)
  expect({ rows, labels }).toEqual({ rows: [1, 2, 3, 4], labels: [0, 1] })
  expect(faults.map(({ where, message }) => `${where} ${message}`)).toEqual([
    expect.stringMatching(/^rows\.ndjson:2 the line is not JSON: /),
    'rows.ndjson:3 the line is not a JSON object',
    'rows.ndjson:4 there is no label "fraud"',
    'rows.ndjson:5 label "no" is not a number',
    'rows.ndjson:6 there is no feature "count"',
    'rows.ndjson:7 feature "amount" is "1", not a number or null',
    'rows.ndjson:8 feature "amount" is 1e+39, which a float32 cannot hold',
    'rows.ndjson:9 there are 1 features, the model takes 2',
  ])
})
