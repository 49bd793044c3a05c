import { expect, test } from 'vitest'
import { tidemark } from '../support/command-line.ts'

// What `tidemark batch` on a range of a topic refuses before it reaches for a broker.

const CARDS = 'topologies/card-fraud.ts'

test.each([
  [
    'a range without records, no group, two inputs, and topics with live readers',
    [CARDS, '--from', '2026-02-01', '--to', '2026-01-01', '--topic', 'payments=q'],
    [
      'no record is in 2026-02-01T00:00:00.000Z to 2026-01-01T00:00:00.000Z',
      'a range needs a group of its own',
      '"payments" is q here, but p as the input',
      '"predictions" is a topic of the topology itself: its readers',
      'add --topic predictions=predictions-backfill, or --into-live',
      '"payments.dlq" is a topic of the topology itself: its readers',
    ],
  ],
  [
    'outputs into the input, and into another topic of the topology',
    [CARDS, '--group', 'b1', '--topic', 'predictions=p', '--topic', 'payments.dlq=payments'],
    [
      '"p" is a topic of the topology itself: its readers',
      'add --topic predictions=predictions-b1, or --into-live',
      '"payments" is a topic of the topology itself: its readers',
    ],
  ],
  [
    'another topic, and files besides',
    [CARDS, '--input', 'kafka:q', '--input', 'a.ndjson'],
    ['kafka:q cannot be read with other inputs', '--input'],
  ],
  [
    'a shadow',
    ['test/golden/topologies/card-shadow.ts', '--group', 'b1', '--from', 'latest'],
    ['no record is in latest to latest', '"card-shadow" is a topic of the topology itself'],
  ],
  [
    'a sink in Redis',
    ['test/fixtures/topologies/newest-sales.ts', '--group', 'b1', '--from', '7', '--to', '7'],
    [
      'no record is in offset 7 to offset 7',
      'is in a system outside: its readers',
      'add --into-live',
    ],
  ],
])('refused is, all at once: %s', async (_, args, faults) => {
  const { code, stderr } = await tidemark(['batch', ...args, '--input', 'kafka:p'])
  for (const fault of faults) expect(stderr).toContain(fault)
  expect(code).toBe(3)
})

test('--into-live allows both', async () => {
  const given = ['test/fixtures/topologies/newest-sales.ts', '--input', 'kafka:p', '--into-live']
  const { code, stderr } = await tidemark(['batch', ...given, '--from', '7', '--to', '7'])
  expect(stderr).toContain('no record is in')
  expect(stderr).toContain('a range needs a group of its own')
  expect(stderr).not.toContain('--into-live')
  expect(code).toBe(3)
})
