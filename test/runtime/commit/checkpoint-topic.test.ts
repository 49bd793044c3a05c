import { defineTopology, registry, seconds } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { MemoryRecords } from '../../../src/connect/memory/memory-records.ts'
import type { TopicInfo } from '../../../src/connect/port.ts'
import { checkpointFaults, checkpointTopic } from '../../../src/runtime/commit/checkpoint-topic.ts'
import { checkCluster } from '../../../src/runtime/start/cluster-check.ts'
import { withJsonValues } from '../../../src/topology/graph.ts'
import { topic } from '../hand-records.ts'
import { Event } from '../memory-workers.ts'
import { counts, topics } from '../registry-workers.ts'
import { scored } from '../support.ts'

const SOURCE = topic('events')
const NAME = 'g.counts.checkpoint'
const FIT = topic(NAME, { isCompacted: true, isTrimmed: false })

describe('the topic of a group is needed', () => {
  const withoutWindows = defineTopology('copy', (t) =>
    t
      .source('events', {
        schema: registry(Event),
        key: (e) => e.key,
        eventTimeMs: (e) => e.at,
        watermark: { lag: seconds(1) },
        onLate: 'dead-letter',
      })
      .sink('counts'),
  )

  test.each([
    ['by windows over a source with a registry', counts, NAME],
    ['not by windows over JSON', withJsonValues(counts), null],
    ['not by another topology', scored, null],
    ['not without windows, which replay nothing', withoutWindows, null],
  ])('%s', (_, definition, name) => {
    expect(checkpointTopic(definition, 'g')).toBe(name)
  })
})

describe('a topic that is there', () => {
  const faultsOf = (of: Partial<TopicInfo>) =>
    checkpointFaults({ ...FIT, ...of }, SOURCE).map(({ code, message }) => [code, message])
  const lost = `topic "${NAME}" cannot keep what a replay has to know: its records would be deleted for their age`

  test.each([
    ['is not compacted', { isCompacted: false }, lost],
    ['is compacted, and deleted by age too', { isTrimmed: true }, lost],
    [
      'takes less than the largest verdict',
      { maxMessageBytes: 19_455 },
      `topic "${NAME}" cannot keep what a replay has to know: it takes only 19455 bytes`,
    ],
    [
      'has other partitions than the source',
      { partitions: 3 },
      `topic "${NAME}" has 3 partitions, and "events" has 6`,
    ],
  ])('and %s is refused', (_, of, message) => {
    expect(faultsOf(of)).toEqual([['CHECKPOINT_TOPIC', message]])
  })

  test('and fits is not, nor one whose settings brokers do not report', () => {
    expect(faultsOf({ maxMessageBytes: 19_456 })).toEqual([])
    expect(faultsOf({ isCompacted: null, isTrimmed: null, maxMessageBytes: null })).toEqual([])
  })

  test('is told all faults at once', () => {
    expect(faultsOf({ partitions: 3, isCompacted: false, maxMessageBytes: 5_000 })).toHaveLength(3)
  })
})

describe('a check of the cluster', () => {
  const check = (records: MemoryRecords, group = 'g') => {
    const guarantee = 'exactly-once' as const
    return checkCluster({ records, definitions: [counts], group, guarantee, brokers: '' })
  }

  test('says how the topic is made, and makes nothing', async () => {
    const records = topics(3)
    const { toMake } = await check(records)
    const config = { 'cleanup.policy': 'compact', 'segment.bytes': '16777216' }
    expect(toMake).toEqual([{ name: NAME, partitions: 3, replicas: -1, config }])
    expect((await records.describe([NAME])).size).toBe(0)
    await records.create(toMake)
    expect((await check(records)).toMake).toEqual([])
  })

  test('refuses one that does not fit', async () => {
    const records = topics()
    records.createTopic(NAME, { partitions: 1 })
    await expect(check(records)).rejects.toThrow(/^CHECKPOINT_TOPIC: .*for their age$/)
  })

  test.each(['g'.repeat(250 - '.counts.checkpoint'.length), 'a group'])(
    'refuses the group "%s", with which the topic cannot have its name',
    async (group) => {
      const refused = /^CHECKPOINT_TOPIC: .*cannot be the name of a topic/
      await expect(check(topics(), group)).rejects.toThrow(refused)
    },
  )

  test('takes the longest name', async () => {
    const group = 'g'.repeat(249 - '.counts.checkpoint'.length)
    expect((await check(topics(), group)).toMake).toHaveLength(1)
  })
})
