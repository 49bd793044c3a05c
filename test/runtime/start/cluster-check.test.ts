import { topic } from 'tidemark'
import { describe, expect, test } from 'vitest'
import type { TopicInfo } from '../../../src/connect/port.ts'
import { checkTopics } from '../../../src/runtime/start/cluster-check.ts'
import type { Definition, TableDefinition } from '../../../src/topology/definition.ts'
import { withMaxAhead, withTopics } from '../../../src/topology/graph.ts'
import { TOPICS } from '../hand-records.ts'
import { shadowed } from '../output/shadow/shadowed.ts'
import { scored } from '../support.ts'

const DAY_MS = 86_400_000

function check(
  events: Partial<TopicInfo>,
  definition = scored as Parameters<typeof checkTopics>[0],
) {
  const topics = TOPICS.map((t) => (t.name === 'events' ? { ...t, ...events } : t))
  return checkTopics(definition, new Map(topics.map((t) => [t.name, t])), 'kafka:9092')
}

describe('a note about message.timestamp.after.max.ms is given', () => {
  test.each([
    ['when the bound is wider than the future guard', { timestampAfterMaxMs: DAY_MS }, '24 h'],
    ['when there is no bound', { timestampAfterMaxMs: 9_223_372_036_854_776_000 }, 'unbounded'],
    ['when the broker does not tell', { timestampAfterMaxMs: null }, 'unknown'],
  ])('%s', (_, events, bound) => {
    const { notes, faults } = check(events)
    expect(faults).toEqual([])
    expect(notes).toEqual([
      `scored: topic "events" takes timestamps from producers (message.timestamp.after.max.ms: ${bound}); ` +
        'a producer that copies a wrong event time there passes the future guard of 5 min',
    ])
  })
})

describe('no such note is given', () => {
  test.each([
    ['when the bound is as narrow as the guard', { timestampAfterMaxMs: 300_000 }],
    [
      'when the broker sets the timestamps',
      { timestampType: 'LogAppendTime', timestampAfterMaxMs: null } as const,
    ],
  ])('%s', (_, events) => {
    expect(check(events).notes).toEqual([])
  })
})

describe("where event times are the records' own", () => {
  const { source } = scored
  const byRecord: Definition = { ...scored, source: { ...source, eventTimeMs: 'record' } }

  test('a note says that the guard is void, unless the topic bounds its timestamps', () => {
    expect(check({ timestampAfterMaxMs: DAY_MS }, byRecord).notes).toEqual([
      'scored: topic "events" takes timestamps from producers (message.timestamp.after.max.ms: 24 h); ' +
        'they are the event times, so the future guard of 5 min is void: one clock far ahead makes the rest of its partition late',
    ])
    expect(check({ timestampAfterMaxMs: 300_000 }, byRecord).notes).toEqual([])
  })

  test('the clock of the broker is trusted, with the guard or without it', () => {
    const broker = { timestampType: 'LogAppendTime' } as const
    expect(check(broker, byRecord).notes).toEqual([])
    expect(check(broker, withMaxAhead(byRecord, 'none')).notes).toEqual([])
  })
})

test('that the future guard is off is said', () => {
  const { notes } = check({}, withMaxAhead(scored, 'none'))
  expect(notes).toEqual([
    'scored: watermark.maxAhead is off: one clock far ahead makes the rest of its partition late',
  ])
})

test('a topic that does not even take a dead letter without its value is refused', () => {
  const { faults } = check({ maxMessageBytes: 4_095 })
  expect(faults.map((f) => [f.code, f.message])).toEqual([
    ['TOPIC_LIMITS', 'topic "events" takes only 4095 bytes (max.message.bytes)'],
  ])
  expect(check({ maxMessageBytes: 4_096 }).faults).toEqual([])
})

describe('the topic of a table as of event time', () => {
  const merchants: TableDefinition = {
    name: 'merchants',
    schema: scored.source.schema,
    format: { is: 'json' },
    key: null,
    asOf: () => 0,
    from: topic('merchants'),
  }
  const compacted = { ...(TOPICS[0] as TopicInfo), name: 'merchants', isCompacted: true }
  const faultsOf = (table: TableDefinition) => {
    const topics = new Map([...TOPICS, compacted].map((t) => [t.name, t]))
    return checkTopics({ ...scored, tables: [table] }, topics, 'kafka:9092').faults
  }

  test('is refused where it is compacted, for it has lost versions', () => {
    expect(faultsOf(merchants)).toMatchObject([{ code: 'TOPIC_COMPACTED', where: scored.name }])
  })

  test('may be compacted where the record key names the version, or without asOf', () => {
    expect(faultsOf({ ...merchants, key: () => 'm' })).toEqual([])
    expect(faultsOf({ ...merchants, asOf: null })).toEqual([])
  })
})

describe('a topic that only a shadow writes', () => {
  const definition = shadowed()

  test('may be missing: a note says so, and how it is made', () => {
    const { faults, notes } = check({ timestampType: 'LogAppendTime' }, definition)
    expect(faults).toEqual([])
    expect(notes).toEqual([
      'scored: no scores of a shadow are written: topic "shadow-scores" does not exist; ' +
        'kafka-topics.sh --bootstrap-server kafka:9092 --create --topic shadow-scores --partitions 6',
    ])
  })

  test('may not be missing if the topology commits to it as well', () => {
    const actual = withTopics(definition, new Map([['scores', 'shadow-scores']]))
    const { faults } = check({ timestampType: 'LogAppendTime' }, actual)
    expect(faults.map(({ code }) => code)).toEqual(['TOPIC_MISSING'])
  })
})
