import { topic } from 'tidemark'
import { expect, test } from 'vitest'
import type { PartitionOffsets } from '../../../src/connect/port.ts'
import { encodeMetadata } from '../../../src/runtime/commit/checkpoint-metadata.ts'
import type { PreparedTopology } from '../../../src/runtime/prepared.ts'
import { oldestEventMs } from '../../../src/runtime/tables/tables.ts'
import { prepare } from '../../support/in-process.ts'
import { at, Merchant, scoredBy } from './merchants.ts'

const LAG_MS = 10 * 60_000

async function topologyThat(
  onLate: 'dead-letter' | 'score' = 'dead-letter',
): Promise<PreparedTopology> {
  const topology = scoredBy(
    (t) =>
      t.table('merchants', {
        schema: Merchant,
        from: topic('merchants'),
        asOf: (m) => m.sinceMs ?? 0,
      }),
    { onLate },
  )
  const prepared = await prepare([topology], { latencyBudget: 'none' })
  await prepared.close()
  return { ...(prepared.topologies[0] as PreparedTopology), fingerprint: 'f' }
}

/** A partition in which the group has committed, its newest event so many seconds after noon. */
function partition(number: number, second: number | null, fingerprint = 'f'): PartitionOffsets {
  const newestMs = second === null ? Number.NEGATIVE_INFINITY : at(second)
  const idleMs = Number.NEGATIVE_INFINITY
  const from = { offset: 4, newestMs, idleMs }
  const note = { fingerprint, from, idleMs, wholeFromMs: idleMs }
  const metadata = encodeMetadata({
    partitions: 2,
    lastRecord: null,
    topologies: new Map([['scores', note]]),
    variants: new Map(),
    range: null,
  })
  const committed = { nextOffset: 9, metadata }
  return { topic: 'payments', partition: number, committed, lowOffset: 0, endOffset: 20 }
}

test('the oldest event that can come is at the least watermark of all partitions', async () => {
  const topology = await topologyThat('dead-letter')
  const offsets = [partition(0, 900), partition(1, 700)]
  expect(oldestEventMs(topology, offsets)).toBe(at(700) - LAG_MS)
})

test.each([
  ['nothing is committed', [partition(0, 900), { ...partition(1, 0), committed: null }]],
  ['there has been no event', [partition(0, 900), partition(1, null)]],
  ['the windows are rebuilt', [partition(0, 900), partition(1, 900, 'other')]],
  [
    'another tool has set the offset',
    [partition(0, 900), { ...partition(1, 0), committed: { nextOffset: 3, metadata: '' } }],
  ],
] as const)('any event may come where %s in a partition', async (_, offsets) => {
  expect(oldestEventMs(await topologyThat('dead-letter'), offsets)).toBe(Number.NEGATIVE_INFINITY)
})

test('any event may come where late ones are scored', async () => {
  expect(oldestEventMs(await topologyThat('score'), [partition(0, 900)])).toBe(
    Number.NEGATIVE_INFINITY,
  )
})
